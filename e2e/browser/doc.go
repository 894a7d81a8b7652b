// Package browser drives the built program with Chromium: with and without
// scripts, in light and dark, wide and narrow. It looks for what only a real
// browser can tell: whether the content security policy lets the forms lead
// where they must, what the console says, what overflows, what is not
// accessible. Screenshots go to e2e/out.
//
// It has tests only, knows the program by its surface, and may import nothing
// of this module.
package browser
