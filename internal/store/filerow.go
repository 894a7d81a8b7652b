package store

import (
	"database/sql"
	"database/sql/driver"
	"fmt"
	"reflect"
)

// fileRow is a row as SQLite's driver gives it: int64, float64, string, []byte
// or nil.
type fileRow []driver.Value

// Scan implements row.
func (r fileRow) Scan(into ...any) error {
	if len(into) != len(r) {
		return fmt.Errorf("%d columns for %d places", len(r), len(into))
	}
	for i, value := range r {
		if !assign(into[i], value) {
			return fmt.Errorf("column %d, a %T, does not fit into a %T", i, value, into[i])
		}
	}
	return nil
}

// assign puts a value where it fits. What is NULL fits only where nothing is a
// value.
func assign(into, value any) bool {
	switch to := into.(type) {
	case *string:
		text, is := value.(string)
		*to = text
		return is
	case *int64:
		n, is := value.(int64)
		*to = n
		return is
	case *[]byte:
		return assignBytes(to, value)
	case sql.Scanner:
		return to.Scan(value) == nil
	}
	to := reflect.ValueOf(into).Elem()
	switch v := value.(type) {
	case string:
		if to.Kind() == reflect.String {
			to.SetString(v)
			return true
		}
	case int64:
		switch {
		case to.Kind() == reflect.Bool && (v == 0 || v == 1):
			to.SetBool(v == 1)
			return true
		case to.CanInt() && !to.OverflowInt(v):
			to.SetInt(v)
			return true
		}
	}
	return false
}

func assignBytes(to *[]byte, value any) bool {
	switch v := value.(type) {
	case []byte:
		*to = v // the driver has made it for this row
	case string:
		*to = []byte(v)
	case nil:
		*to = nil
	default:
		return false
	}
	return true
}
