// Package convergence has the proof, by random trial, that nodes which sync agree
// in the end: whatever the transport, the store and the resolver, however often
// messages are lost, doubled or late and processes killed between two steps. It
// has no code but its tests.
//
// A failing trial prints its seed; SYNCLINE_SEED repeats it. SYNCLINE_VERIFY=1
// runs many more.
//
// Where sync systems are known to fail there is a test as well, here or beside the code.
// Each was seen to fail with the fault put back:
//
//	a decision that no peer takes               TestADecisionThatThePeerDoesNotTakeIsLeftToAPerson
//	a conflict that is decided on each page     TestAConflictOnManyPagesIsDecidedOnce
//	a later write that loses without timestamp  TestTheLaterWriteWinsByItself
//	two events of one version                   TestEventsOfOneVersionAreInConflict
//	what an old release could not take          TestWhatAnOldReleaseCouldNotTake
//	an unreadable event that stops all pulls    TestAPageIsReadAroundWhatIsNoEvent
//	short sessions on a slow line               TestShortSessionsOnASlowLine
//	echoes that are quadratic in an aggregate   TestEchoesAreComparedWithOneReading
//	a full disk that keeps own events here      TestAFullDiskDoesNotKeepOwnEventsFromThePeer
//	a three-way merge without a base            TestAThreeWayMergeTakesItsBaseFromTheLog
//	a path that opens another file              TestContradictionsAreRefused
//	more managers than a connection serves      TestManagersBeyondAConnection
package convergence
