// Package config reads the broker's configuration file.
//
// It owns the shape of the file: which keys there are, what they mean, what
// they default to, and how they depend on one another. The comments of the
// exported structs are the manual; config.example.yaml shows every key in use.
//
// Reading is strict. One walk over the parsed file, guided by the structs
// through reflection, decodes the values and collects everything that is wrong:
// unknown and repeated keys, wrong types, missing keys, variables that are not
// set. A second pass checks the decoded values. All problems are reported
// together, each with its line and key, and a file with any problem gives no
// Config at all.
//
// What may never be lent is a rule of the domain and is checked by the packages
// that own it; [Config.Problem] gives their findings the right line.
//
// The package imports nothing else of this module.
package config
