package provider

import (
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// TestFormsAreWhatTheLibraryReads: each field of what the library hands on has the
// value of the parameter that the library names for it, and no other's.
func TestFormsAreWhatTheLibraryReads(t *testing.T) {
	t.Parallel()
	for _, dst := range []any{&op.ClientCredentials{}, &oidc.AccessTokenRequest{}, &oidc.RefreshTokenRequest{}, &oidc.ClientCredentialsRequest{},
		&oidc.TokenExchangeRequest{}, &oidc.IntrospectionRequest{}, &oidc.RevocationRequest{}, &oidc.UserInfoRequest{}} {
		v := reflect.ValueOf(dst).Elem()
		form := url.Values{"other": {"x"}}
		for i := range v.NumField() {
			name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("schema"), ",")
			form.Set(name, "the "+name)
		}
		if err := (forms{}).Decode(dst, form); err != nil {
			t.Fatalf("%T: %v", dst, err)
		}
		for i := range v.NumField() {
			name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("schema"), ",")
			_, credentials := dst.(*op.ClientCredentials)
			if !credentials && strings.HasPrefix(name, "client_") {
				continue // asked for as ClientCredentials, before
			}
			want := any("the " + name)
			if name == "scope" {
				want = []string{"the", "scope"}
			} else if v.Field(i).Kind() == reflect.Slice {
				want = []string{"the " + name}
			}
			got := v.Field(i).Convert(reflect.TypeOf(want)).Interface()
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%T: %s is %q, want %q", dst, v.Type().Field(i).Name, got, want)
			}
		}
	}
	if err := (forms{}).Decode(&oidc.DeviceAccessTokenRequest{}, url.Values{}); err == nil {
		t.Error("a form that nobody here has is read")
	}
	var none oidc.RefreshTokenRequest
	if err := (forms{}).Decode(&none, url.Values{"scope": {""}}); err != nil || !slices.Equal(none.Scopes, nil) {
		t.Errorf("an empty scope is %q, %v", none.Scopes, err)
	}
}
