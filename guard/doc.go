// Package guard is the SDK of apps that valetkey lends access to. It lets
// support sessions in beside the app's own login, narrowed to the lent scopes,
// recorded, and refused at once when the customer ends them.
package guard
