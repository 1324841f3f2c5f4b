// Package compat has the programs and snippets of Go Sync Kit's documentation as
// tests: what was written after it works here. It has no code but these.
//
// Whole programs are in testdata and are built and run; their address and the
// directory that they run in are all that a test changes. Snippets are in the
// tests. They differ from the documentation in import paths, in what a reader is
// asked to fill in ("your Transport implementation"), and in its misprints:
//
//   - The quick start syncs at once, though its server may not listen yet. As in
//     the complete example, it gives the server time to start.
//   - The complete example calls transport.NewSyncHandler, transport.NewTransport
//     and sync.NewSyncManager, though it imports no packages of these names, and
//     leaves out the last arguments of the first two.
//   - Snippets name the root package sync, synckit or not at all; here it is synckit.
//   - The custom VersionManager's methods that return something have no body.
//   - The second resolver returns mergedEvents, which is declared nowhere.
//   - The example of Subscribe declares err with :=, like the ones before it.
//   - The mocks' test expects one pushed event of stores that are empty.
package compat
