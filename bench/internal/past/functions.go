package past

import (
	"crypto/sha256"
	"database/sql/driver"
	"encoding/hex"
	"fmt"

	engine "modernc.org/sqlite"
)

func init() { // PostgreSQL is told to have the same
	engine.MustRegisterDeterministicScalarFunction("past_id", 1, func(_ *engine.FunctionContext, args []driver.Value) (driver.Value, error) {
		sum := sha256.Sum256(fmt.Append(nil, args[0]))
		return hex.EncodeToString(sum[:11]), nil
	})
	engine.MustRegisterDeterministicScalarFunction("past_hash", 1, func(_ *engine.FunctionContext, args []driver.Value) (driver.Value, error) {
		sum := sha256.Sum256(fmt.Append(nil, args[0]))
		return sum[:], nil
	})
}
