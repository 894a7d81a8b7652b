// Package templates owns what support staff and account owners see: the pages,
// their style sheets, their scripts and the words on them. Everything is embedded and
// parsed once, in [New]; after that a [Set] is safe for many requests at once.
//
// It knows nothing of sign-ins, credentials or HTTP: a caller fills one struct
// per page and calls the method of the same name. It may import the standard
// library and nothing else.
//
// Promises every page keeps, for any data put into it:
//
//   - no inline script, style or event handler, so the strictest content
//     security policy holds: default-src 'none' with style-src, script-src and
//     img-src 'self' is enough;
//   - it works whole without scripts, which only add running clocks, grouping
//     of digits, a guard against sending a form twice, the sending of a form
//     that a person need not look at and, for owners, copying and a page that
//     stays up to date: for that alone connect-src 'self' is needed, on the
//     pages of owners;
//   - one h1, labels bound to inputs, a problem announced, described and
//     focused where it can be mended.
package templates

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"html/template"
	"io"
	"net/url"
)

//go:embed pages/*.html
var pageFiles embed.FS

//go:embed assets/style.css
var styleText string

//go:embed assets/owner.css
var ownerStyleText []byte

//go:embed assets/app.js
var scriptText []byte

//go:embed assets/owner.js
var ownerScriptText []byte

//go:embed assets/post.js
var postScriptText []byte

//go:embed assets/icon.svg
var iconText string

// LogoPath is where pages with [Brand.Logo] expect the operator's logo. The
// file is the operator's, so whoever mounts the assets serves it there.
const LogoPath = "/assets/logo"

// DefaultAccent is the colour of an installation that names none.
const DefaultAccent = "#0b6e4f"

// Brand is how an installation presents itself. Only Product matters; every
// other field has a default.
type Brand struct {
	Product string // the product that customers know; default "valetkey"
	Support string // who the agents are; default Product + " Support"
	Accent  string // "#rrggbb", the one colour of buttons and links; default [DefaultAccent]
	Help    string // http, https or mailto URL of the product's help; empty: no link
	Logo    bool   // show the picture at [LogoPath] in place of the drawn key
}

// Asset is one file that pages refer to.
type Asset struct {
	Type string // media type, for Content-Type
	Body []byte // shared by all callers: not to be changed
}

// Set renders every page of one installation, in the words of one audience:
// of agents, or after [Set.Owners] of account owners.
type Set struct {
	brand  Brand
	owners bool
	pages  *template.Template
	assets map[string]Asset
	style  string // URL paths, each with the hash of what is behind it
	script string
	icon   string

	ownerStyle, ownerScript string

	postScript string // of the page that sends its own form

	sketches *sketches
}

// New parses all pages and computes the style sheet for the brand. It fails on
// an accent that is not "#rrggbb" and on a help link a browser should not
// follow.
func New(brand Brand) (*Set, error) {
	brand = withDefaults(brand)
	accent, err := parseColour(brand.Accent)
	if err != nil {
		return nil, fmt.Errorf("brand.accent: %w", err)
	}
	if err := checkHelp(brand.Help); err != nil {
		return nil, fmt.Errorf("brand.help: %w", err)
	}
	s := &Set{brand: brand, assets: map[string]Asset{}, sketches: newSketches()}
	s.style = s.add("style", ".css", "text/css; charset=utf-8", []byte(accentCSS(accent)+styleText))
	s.script = s.add("app", ".js", "text/javascript; charset=utf-8", scriptText)
	s.ownerStyle = s.add("owner", ".css", "text/css; charset=utf-8", ownerStyleText)
	s.ownerScript = s.add("owner", ".js", "text/javascript; charset=utf-8", ownerScriptText)
	s.postScript = s.add("post", ".js", "text/javascript; charset=utf-8", postScriptText)
	s.icon = s.add("icon", ".svg", "image/svg+xml", fillIcon(iconText, accent))
	if s.pages, err = template.ParseFS(pageFiles, "pages/*.html"); err != nil {
		return nil, fmt.Errorf("parse pages: %w", err)
	}
	return s, nil
}

func withDefaults(b Brand) Brand {
	if b.Product == "" {
		b.Product = "valetkey"
	}
	if b.Support == "" {
		b.Support = b.Product + " Support"
	}
	if b.Accent == "" {
		b.Accent = DefaultAccent
	}
	return b
}

// checkHelp refuses what html/template would silently turn into a dead link.
func checkHelp(link string) error {
	if link == "" {
		return nil
	}
	u, err := url.Parse(link)
	switch {
	case err != nil:
		return errors.New("not a URL")
	case u.Scheme == "mailto" && u.Opaque != "", (u.Scheme == "https" || u.Scheme == "http") && u.Host != "":
		return nil
	}
	return errors.New("must be a full http, https or mailto URL")
}

// add keeps an asset under a name that changes with its content, so that
// browsers may keep it for ever.
func (s *Set) add(name, ext, mediaType string, body []byte) string {
	sum := sha256.Sum256(body)
	path := "/assets/" + name + "-" + hex.EncodeToString(sum[:6]) + ext
	s.assets[path] = Asset{Type: mediaType, Body: body}
	return path
}

// Owners returns the same set with the words of the owner's side: the frame of
// every page, failures, and the way to sign in, which lies below [OwnerPath].
func (s *Set) Owners() *Set {
	theirs := *s
	theirs.owners = true
	return &theirs
}

// signIn is where people of this side sign in; the forms post below it.
func (s *Set) signIn() string {
	if s.owners {
		return OwnerPath + "/sign-in"
	}
	return "/sign-in"
}

// Stylesheet returns the style sheet of all pages, with the brand's colours.
func (s *Set) Stylesheet() []byte { return s.assets[s.style].Body }

// Script returns the script of all pages.
func (s *Set) Script() []byte { return s.assets[s.script].Body }

// Assets returns what pages refer to, keyed by URL path. A path holds a hash of
// its content: it can be served with "Cache-Control: public, max-age=31536000,
// immutable". The operator's logo is not among them: see [LogoPath].
func (s *Set) Assets() map[string]Asset { return s.assets }

// view is what a page is drawn from; Page is what it has of its own.
type view struct {
	Brand           Brand
	Owners          bool
	OwnerPath, Logo string
	SignIn, Icon    string
	Styles, Scripts []string
	Title           string
	Trouble         bool // the page reports a problem: the title says so first
	Home            bool // the owner's page: wider, and with a way to sign out
	Page            any
}

// render writes a page whole or not at all: a template that fails half way must
// not leave half a page with a status of 200.
func (s *Set) render(w io.Writer, name, title string, trouble bool, page any) error {
	v := view{Brand: s.brand, Owners: s.owners, OwnerPath: OwnerPath, Logo: LogoPath, SignIn: s.signIn(), Icon: s.icon,
		Styles: []string{s.style}, Scripts: []string{s.script}, Title: title, Trouble: trouble, Home: name == "access", Page: page}
	if s.owners {
		v.Styles, v.Scripts = append(v.Styles, s.ownerStyle), append(v.Scripts, s.ownerScript)
	}
	if name == "form-post" {
		v.Scripts = []string{s.postScript}
	}
	return s.write(w, name+".html", v)
}

// write runs one template: a page is named by its file.
func (s *Set) write(w io.Writer, name string, data any) error {
	var b bytes.Buffer
	if err := s.pages.ExecuteTemplate(&b, name, data); err != nil {
		return fmt.Errorf("render %s: %w", name, err)
	}
	_, err := w.Write(b.Bytes())
	return err
}
