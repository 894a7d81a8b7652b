package api

import (
	"context"
	"errors"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humamux"

	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/internal/keys"
	"github.com/valetkey/valetkey/provider"
)

// request is what is known of a request while it is served.
type request struct {
	id        string // for the log
	operation string
	caller    Caller
}

type requestKey struct{}

func requestOf(ctx context.Context) request {
	r, _ := ctx.Value(requestKey{}).(request)
	return r
}

func callerOf(ctx context.Context) Caller { return requestOf(ctx).caller }

var tokenForm = regexp.MustCompile(`^(?i:(Bearer|DPoP)) +([A-Za-z0-9._~+/-]+=*)$`)

// ErrUndecided says that whether a token is good could not be found out.
var ErrUndecided = errors.New("it could not be found out whether the token is good")

// admit lets a request through to its operation when its bearer may do so
// (RFC 6750). Nothing of the body has been read by then.
func (h *Handler) admit(operation, scope string, speaksForOwners bool) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		r, w := humamux.Unwrap(ctx)
		state := request{id: credentials.NewID(), operation: operation}
		refused := h.authenticate(r, scope, &state)
		switch {
		case refused != nil:
		case speaksForOwners && state.caller.Owners == "":
			refused = newProblem(http.StatusForbidden, "no-owners", "This client speaks for no account owners.")
		case r.Method == http.MethodPost && !isJSON(r.Header.Get("Content-Type")):
			refused = newProblem(http.StatusUnsupportedMediaType, "", "Send the body as application/json.").with("Accept", "application/json")
		}
		if refused != nil {
			refused.write(w)
			return
		}
		if r.Method == http.MethodPost {
			r.Header.Set("Content-Type", "application/json") // huma compares the text
		}
		next(huma.WithValue(ctx, requestKey{}, state))
	}
}

// Presented is the access token that a request presents, and whether it came by the
// scheme DPoP (RFC 9449) or as bearer token (RFC 6750): in one Authorization header,
// nowhere else.
func Presented(r *http.Request) (token string, dpop, ok bool) {
	given := r.Header.Values("Authorization")
	if len(given) != 1 {
		return "", false, false
	}
	found := tokenForm.FindStringSubmatch(given[0])
	if found == nil || len(found[2]) > keys.MaxToken {
		return "", false, false
	}
	return found[2], strings.EqualFold(found[1], "dpop"), true
}

// authenticate fills in the caller, or says why there is none.
func (h *Handler) authenticate(r *http.Request, scope string, state *request) *problem {
	given := r.Header.Values("Authorization")
	switch {
	case len(given) == 0:
		return unauthorized("Bearer", "Send an access token of this API in the Authorization header.")
	case len(given) > 1:
		return newProblem(http.StatusBadRequest, "", "Send one Authorization header.").
			with("WWW-Authenticate", `Bearer error="invalid_request"`)
	case !strings.HasPrefix(strings.ToLower(given[0]), "bearer") && !strings.HasPrefix(strings.ToLower(given[0]), "dpop"):
		return unauthorized("Bearer", "Send an access token of this API as bearer token.")
	}
	token, dpop, ok := Presented(r)
	if !ok {
		return unauthorized(`Bearer error="invalid_token"`, "The access token is not valid here.")
	}
	caller, err := h.Authenticate(r, token, dpop)
	var holder *provider.HolderError
	switch {
	case errors.As(err, &holder):
		refused := unauthorized(holder.Challenge, "The access token is not valid here: "+holder.Text+".")
		if holder.Nonce != "" {
			refused = refused.with("DPoP-Nonce", holder.Nonce)
		}
		return refused
	case errors.Is(err, ErrUndecided):
		return newProblem(http.StatusServiceUnavailable, "", "Nothing could be decided now. Try again later.")
	case err != nil:
		return unauthorized(`Bearer error="invalid_token"`, "The access token is not valid here, or has expired.")
	}
	if !slices.Contains(caller.Scopes, scope) {
		return newProblem(http.StatusForbidden, "insufficient-scope", "The access token does not have the scope "+scope+".").
			with("WWW-Authenticate", `Bearer error="insufficient_scope", scope="`+scope+`"`)
	}
	state.caller = caller
	return nil
}

func unauthorized(challenge, detail string) *problem {
	return newProblem(http.StatusUnauthorized, "", detail).with("WWW-Authenticate", challenge)
}

func isJSON(contentType string) bool {
	kind, _, err := mime.ParseMediaType(contentType)
	return err == nil && kind == "application/json"
}

// secretNames are the parameters under which people put secrets into URLs,
// where every log on the way keeps them.
var secretNames = []string{
	"access_token", "actor_token", "authorization", "bearer", "client_secret", "id_token", "owner_token", "password", "pin", "secret", "token",
}

// checkKey refuses an Idempotency-Key that a database would not take, or of which
// it is not clear which one is meant.
func checkKey(r *http.Request) *problem {
	keys := r.Header.Values("Idempotency-Key")
	if len(keys) > 1 || len(keys) == 1 && !utf8.ValidString(keys[0]) {
		return newProblem(http.StatusBadRequest, "", "Send one Idempotency-Key at most, in UTF-8.")
	}
	return nil
}

// checkQuery refuses what no operation here takes, before anything else looks
// at the request.
func checkQuery(r *http.Request) *problem {
	wrong := func(detail string) *problem { return newProblem(http.StatusBadRequest, "", detail) }
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return wrong("The query is not well-formed.")
	}
	for name, values := range query {
		switch {
		case slices.Contains(secretNames, strings.ToLower(name)):
			return wrong("No token and no secret belongs into a URL. Replace it: this one may be in logs now.").
				with("WWW-Authenticate", `Bearer error="invalid_request"`)
		case len(values) > 1:
			return wrong("A query parameter was given twice.")
		}
	}
	return nil
}
