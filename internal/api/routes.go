package api

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humamux"
	"github.com/gorilla/mux"
)

// Limits of a request's body.
const (
	maxBody  = 64 << 10 // bytes
	bodyTime = 10 * time.Second
)

const (
	accountPath       = "/api/v1/accounts/{account}"
	credentialsPath   = accountPath + "/credentials"
	sessionsPath      = accountPath + "/sessions"
	recordPath        = accountPath + "/record"
	verificationsPath = "/api/v1/verifications"
	actionsPath       = "/api/v1/actions"
	endingsPath       = "/api/v1/endings"
	documentPath      = "/api/openapi.json"
)

// Mount puts the API below /api/ of r. It takes every path there: what else
// lives below /api/ is to be mounted before.
func (h *Handler) Mount(r *mux.Router) {
	// A router of its own matches the path as it was sent, so that an account
	// id may have a slash in it (%2F).
	inner := mux.NewRouter().UseEncodedPath().SkipClean(true)
	inner.Use(decodePath)
	inner.NotFoundHandler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		newProblem(http.StatusNotFound, "", "There is nothing at this path.").write(w)
	})
	inner.MethodNotAllowedHandler = methodNotAllowed(inner)
	api := humamux.New(inner, configuration())
	h.register(api)
	h.registerEndings(api, inner)
	inner.Path(documentPath).Methods(http.MethodGet).Handler(document(api))
	r.PathPrefix("/api/").Handler(front(inner))
}

// front holds for every reply, errors included.
func front(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		if refused := checkQuery(r); refused != nil {
			refused.write(w)
			return
		}
		if refused := checkKey(r); refused != nil {
			refused.write(w)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// decodePath undoes the escapes of what stands in the path's braces.
func decodePath(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		vars := map[string]string{}
		for name, escaped := range mux.Vars(r) {
			value, err := url.PathUnescape(escaped)
			if err != nil || !utf8.ValidString(value) {
				notFound("There is nothing at this path.").write(w)
				return
			}
			vars[name] = value
		}
		next.ServeHTTP(w, mux.SetURLVars(r, vars))
	})
}

func methodNotAllowed(router *mux.Router) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var allowed []string
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodDelete} {
			asked, match := *r, mux.RouteMatch{}
			asked.Method = method
			if router.Match(&asked, &match) && match.MatchErr == nil {
				allowed = append(allowed, method)
			}
		}
		newProblem(http.StatusMethodNotAllowed, "", "This path does not take this method.").
			with("Allow", strings.Join(allowed, ", ")).write(w)
	})
}

func configuration() huma.Config {
	c := huma.DefaultConfig("valetkey management API", "1")
	c.OpenAPIPath, c.DocsPath, c.SchemasPath = "", "", ""
	c.CreateHooks, c.Transformers = nil, nil // they add $schema links
	c.RejectUnknownQueryParameters = true
	c.Info.Description = "Mint, watch and revoke support credentials for account owners, and report what agents do."
	c.Components.SecuritySchemes = map[string]*huma.SecurityScheme{"client": {
		Type: "http", Scheme: "bearer", BearerFormat: "JWT",
		Description: "An access token of the client_credentials grant whose audience is this API.",
	}}
	return c
}

func document(api huma.API) http.Handler {
	text, err := json.Marshal(api.OpenAPI())
	if err != nil {
		panic("the OpenAPI document cannot be written: " + err.Error()) // it is the same at every start
	}
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(text)
	})
}

// register lists the operations.
func (h *Handler) register(api huma.API) {
	add(h, api, scopeMint, huma.Operation{
		OperationID: "mint", Method: http.MethodPost, Path: credentialsPath, DefaultStatus: http.StatusCreated,
		Summary:     "Mint a credential",
		Description: "The reply is the only one that has the PIN or password. A repeated Idempotency-Key is answered with 200 and without them.",
		Errors:      []int{http.StatusConflict, http.StatusUnsupportedMediaType, http.StatusRequestEntityTooLarge},
		Responses: map[string]*huma.Response{"200": answer("Minted by an earlier request with this Idempotency-Key",
			api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[mintedCredential](), true, ""))},
	}, h.mint)
	add(h, api, scopeRead, huma.Operation{
		OperationID: "listCredentials", Method: http.MethodGet, Path: credentialsPath, Summary: "List an account's credentials, newest first",
	}, h.listCredentials)
	add(h, api, scopeRead, huma.Operation{
		OperationID: "getCredential", Method: http.MethodGet, Path: credentialsPath + "/{id}", Summary: "Look at a credential",
	}, h.getCredential)
	add(h, api, scopeRevoke, huma.Operation{
		OperationID: "revokeCredential", Method: http.MethodDelete, Path: credentialsPath + "/{id}",
		Summary: "Revoke a credential and end its sessions", Description: "Only 204 means revoked.",
	}, h.revokeCredential)
	add(h, api, scopeRevoke, huma.Operation{
		OperationID: "revokeCredentials", Method: http.MethodDelete, Path: credentialsPath,
		Summary: "Revoke every credential of an account and end their sessions", Description: "Only 204 means revoked.",
	}, h.revokeCredentials)
	add(h, api, scopeRead, huma.Operation{
		OperationID: "listSessions", Method: http.MethodGet, Path: sessionsPath, Summary: "List an account's sessions, newest first",
	}, h.listSessions)
	add(h, api, scopeRevoke, huma.Operation{
		OperationID: "endSession", Method: http.MethodDelete, Path: sessionsPath + "/{sid}",
		Summary: "End one session", Description: "A credential that has uses left opens another. Only 204 means ended.",
	}, h.endSession)
	h.registerRecord(api)
	h.registerActions(api)
	h.registerVerifications(api)
}

// answer describes a reply for the document.
func answer(description string, s *huma.Schema) *huma.Response {
	return &huma.Response{Description: description, Content: map[string]*huma.MediaType{"application/json": {Schema: s}}}
}

// add registers an operation behind its scope.
func add[I, O any](h *Handler, api huma.API, scope string, op huma.Operation, f func(context.Context, *I) (*O, error)) {
	op.MaxBodyBytes, op.BodyReadTimeout = maxBody, bodyTime
	op.Security = []map[string][]string{{"client": {scope}}}
	op.Middlewares = huma.Middlewares{h.admit(op.OperationID, scope, strings.HasPrefix(op.Path, accountPath))}
	op.Errors = append(op.Errors, http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden,
		http.StatusNotFound, http.StatusServiceUnavailable)
	huma.Register(api, op, f)
}
