//go:build !race

package hostile

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"syncline/internal/testservers"
)

// A process of this program is the test, or carries out attacks for it: what
// they cost must not slow the honest users down, who are in the test's.
func TestMain(m *testing.M) {
	if names := os.Getenv("HOSTILE_ATTACKS"); names != "" {
		os.Exit(carryOut(strings.Split(names, ";")))
	}
	os.Exit(testservers.Main(m))
}

// The short form, for make test, has an attack of each kind, and judges no
// time, nor that a wait for memory was too long, unless it is one in ten: other tests run beside
// it. The long one goes on for longer.
var (
	verify = os.Getenv("SYNCLINE_VERIFY") != ""
	long   = os.Getenv("SYNCLINE_LONG") != ""
)

const (
	rounds = 3 // of an attack; the median of their p99 counts
	// moreRounds are added to an attack that looks costly: what it takes to begin it,
	// such as to accept thousands of connections, is over soon, and goes into the first.
	moreRounds = 4
	// enough is how many operations a round has, so that one in a hundred is not the
	// slowest of a few; but a round ends when it took longest times as long as it should.
	enough  = 100
	longest = 10
	// timesQuiet is how much an attack may raise, above what it is without, the p99 of
	// the server's processor time while an operation is under way; and leastWork is what
	// that may be in any case, on all processors together, or timesLeast what it is
	// without, where processors are slower.
	timesQuiet = 5
	timesLeast = 40
	leastWork  = time.Second
	// slowest is what the p99 of the time itself may be in any case, and timesQuietTime how
	// often what it is without an attack: who needs more of a machine that does
	// other work waits more than in proportion. slowestForMemory is for attacks, without
	// rate limits, that hold memory or bring large messages: others may have to wait until
	// those are cut off who take nothing for a second.
	slowest          = time.Second
	slowestForMemory = 3 * time.Second
	timesQuietTime   = 10
)

func roundTime() time.Duration {
	switch {
	case long:
		return 4 * time.Second
	case verify:
		return 500 * time.Millisecond
	default:
		return 250 * time.Millisecond
	}
}

// What the smallest machine takes from attackers with as many keys and
// addresses as they like, one attack after the other.
func TestManyAddresses(t *testing.T) {
	tr := begin(t, "RATE_LIMITS=off")
	for _, g := range groups {
		for _, a := range g.attacks {
			if verify || a.name == g.attacks[0].name {
				t.Run(a.name, func(t *testing.T) { tr.attack(t, 250, g.slowest, a.name) })
			}
		}
	}
	tr.end()
}

// All attacks on one thing at once, from one address.
func TestOneAddress(t *testing.T) {
	tr := begin(t)
	var everything []string
	for _, g := range groups {
		var names []string
		for _, a := range g.attacks {
			names = append(names, a.name)
		}
		if everything = append(everything, names...); verify {
			t.Run(g.name, func(t *testing.T) { tr.attack(t, 1, slowest, names...) })
		}
	}
	t.Run("everything", func(t *testing.T) { tr.attack(t, 1, slowest, everything...) })
	tr.end()
}

// trial is a server, its honest users, and what they noticed.
type trial struct {
	t      *testing.T
	server *server
	honest *honest
	leave  func() // ends the honest users
	before figures
	quiet  []cost // p99 of the rounds without an attack
	within int    // attacks that were within timesQuiet, whatever they may do in any case
	judged int
	table  strings.Builder
}

func begin(t *testing.T, env ...string) *trial {
	tr := &trial{t: t, server: startServer(t, "RATE_LIMITS=off")}
	enrich(t, tr.server)
	if err := tr.server.Stop(); err != nil {
		t.Fatal(err)
	}
	tr.server.Set("RATE_LIMITS=on")
	tr.server.Set(env...)
	tr.server.Start()

	ctx, cancel := context.WithCancel(t.Context())
	honest, wait := startHonest(ctx, t, tr.server)
	tr.honest, tr.leave = honest, func() { cancel(); wait() }
	t.Cleanup(tr.leave)
	pause(ctx, time.Second) // connections stand, records are there
	tr.honest.round()
	for range rounds {
		tr.quietRound(t)
	}
	var err error
	if tr.before, err = tr.server.figures(ctx); err != nil {
		t.Fatal(err)
	}
	return tr
}

// quietRound measures a round without an attack, in which nothing may fail.
func (tr *trial) quietRound(t *testing.T) {
	r := tr.round(t)
	tr.quiet = append(tr.quiet, r.p99)
	if len(r.failures) > 0 {
		t.Errorf("without an attack: %d failed, such as %s", len(r.failures), r.failures[0])
	}
}

// round measures a round.
func (tr *trial) round(t *testing.T) round {
	pause(t.Context(), roundTime())
	for n := 1; n < longest && tr.honest.ended() < enough && !tr.server.died(); n++ {
		pause(t.Context(), roundTime())
	}
	return tr.honest.round()
}

// median is that of times and that of works.
func median(costs []cost) cost {
	var times, works []time.Duration
	for _, c := range costs {
		times, works = append(times, c.time), append(works, c.work)
	}
	slices.Sort(times)
	slices.Sort(works)
	return cost{times[len(times)/2], works[len(works)/2]}
}

// attack carries out attacks, all at once, and judges what they do to the
// server and its users, whose p99 of time may be most, or timesQuietTime what it is without.
func (tr *trial) attack(t *testing.T, addresses int, most time.Duration, names ...string) {
	s := tr.server
	if tr.judged%3 == 0 {
		tr.quietRound(t)
	}
	if err := resetPeak(s.PID()); err != nil {
		t.Fatal(err)
	}
	quiet := median(tr.quiet)
	limit := cost{max(most, timesQuietTime*quiet.time), max(leastWork, timesLeast*quiet.work)}
	attackers := unleash(t, s.Address, addresses, names)
	var p99s []cost
	var failures []string
	succeeded, busy := 0, 0
	for n := rounds; len(p99s) < n; {
		r := tr.round(t)
		p99s, failures, succeeded = append(p99s, r.p99), append(failures, r.failures...), succeeded+r.count
		busy += r.busy
		if slow := median(p99s); verify && len(p99s) == rounds && (slow.time > limit.time || slow.work > timesQuiet*quiet.work) {
			n += moreRounds
		}
	}
	report := attackers.stop(t)
	// What the attack leaves behind counts, but as no time of its own.
	pause(t.Context(), roundTime())
	r := tr.honest.round()
	failures, succeeded, busy = append(failures, r.failures...), succeeded+r.count, busy+r.busy
	peak, err := residentBytes(s.PID(), "VmHWM")
	died := err != nil || s.died()
	held := fmt.Sprintf("%d MiB", peak>>20)
	slow := median(p99s)
	if tr.judged++; slow.work <= timesQuiet*quiet.work {
		tr.within++
	}
	switch {
	case died:
		t.Errorf("the server died")
		held = "died"
	case verify && slow.time > limit.time:
		t.Errorf("p99 of honest users was %v, without an attack %v", slow.time, quiet.time)
	case verify && slow.work > limit.work:
		t.Errorf("the server worked for %v between the question and the answer of an honest user (p99), without an attack %v", slow.work, quiet.work)
	}
	if len(failures) > 0 {
		t.Errorf("%d operations of honest users failed, %d did not: %s", len(failures), succeeded, failures[0])
	}
	if busy*10 > succeeded {
		t.Errorf("%d operations of honest users were to be tried again later, %d were not", busy, succeeded)
	}
	row := fmt.Sprintf("| %s | %s | %s | %s | %d of %d |", strings.ReplaceAll(path.Base(t.Name()), "_", " "), held,
		slow.time.Round(time.Millisecond), slow.work.Round(time.Millisecond/10), len(failures), succeeded+len(failures))
	t.Logf("%s\n\t%d rounds; %s", row, len(p99s), report)
	fmt.Fprintln(&tr.table, row)
	if died {
		s.Start()
		pause(t.Context(), 4*roundTime()) // for its users to come back
		tr.honest.round()
	}
}

// end checks that the attacks left nothing behind.
func (tr *trial) end() {
	tr.t.Logf("quiet p99 %+v; %d of %d attacks within %d times its work; %.0f MiB heap, %.0f goroutines\n%s", median(tr.quiet), tr.within, tr.judged, timesQuiet, tr.before.heap/(1<<20), tr.before.goroutines, &tr.table)
	var after figures
	var err error
	began := time.Now()
	deadline := time.NewTimer(time.Minute)
	defer deadline.Stop()
	for {
		after, err = tr.server.figures(tr.t.Context())
		if err == nil && after.heap < tr.before.heap+32<<20 && after.goroutines < tr.before.goroutines+20 && after.descriptors < tr.before.descriptors+20 {
			break
		}
		select {
		case <-deadline.C:
			tr.t.Fatalf("the attacks left something behind (%v): before %+v, after %+v", err, tr.before, after)
		case <-time.After(200 * time.Millisecond):
		}
	}
	tr.t.Logf("%.0f MiB heap, %.0f goroutines %v after the last attack", after.heap/(1<<20), after.goroutines, time.Since(began).Round(time.Millisecond))
	tr.leave()
	if last := tr.honest.round(); len(last.failures) > 0 {
		tr.t.Errorf("after the attacks: %d failed, such as %s", len(last.failures), last.failures[0])
	}
	if err := tr.server.Stop(); err != nil {
		tr.t.Errorf("the server does not stop as it should: %v\n%s", err, tr.server.Log())
	}
}

// enrich writes the records of the rich owners.
func enrich(t *testing.T, s *server) {
	t.Helper()
	for i := range richOwners {
		u := &user{honest: newHonest(s.Address, s.processorTime), key: rich(i), http: newHTTPClient("127.0.3.1")}
		for first := 0; first < richRecords; first += 8 {
			var writes []any
			for j := range 8 {
				data := make([]byte, 64<<10)
				for k := range data {
					data[k] = byte(k * (first + j + 1) >> 3) // as compressible as text
				}
				writes = append(writes, map[string]any{"set": map[string]any{"id": recordID(first + j), "data": data}})
			}
			var out struct{ WriteRecords struct{ Status string } }
			if err := u.call(t.Context(), setMany, map[string]any{"w": writes}, &out); err != nil || out.WriteRecords.Status != "SUCCESS" {
				t.Fatalf("records of rich owners: %v %+v", err, out)
			}
		}
	}
}

// attackers is a process that carries out attacks until it is stopped.
type attackers struct {
	cmd    *exec.Cmd
	stdin  io.Closer
	stdout *bufio.Reader
	stderr bytes.Buffer
}

// unleash starts attacks, and waits until they have begun.
func unleash(t *testing.T, target string, addresses int, names []string) *attackers {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// The attackers' own work must not take the processor from the server: an
	// attack is what it makes the server do.
	// So they give way to it, but not to whatever else runs beside the test: attackers that
	// hardly run hold what the server has given them.
	idle := []string{"nice", "-n", "5"}
	a := &attackers{cmd: exec.Command(idle[0], append(idle[1:], program)...)}
	a.cmd.Env = append(os.Environ(), "HOSTILE_ATTACKS="+strings.Join(names, ";"), "HOSTILE_TARGET="+target, "HOSTILE_ADDRESSES="+strconv.Itoa(addresses))
	a.cmd.Stderr = &a.stderr
	if a.stdin, err = a.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	stdout, err := a.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	a.stdout = bufio.NewReader(stdout)
	if err := a.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := a.stdout.ReadString('\n'); err != nil || line != begun+"\n" {
		t.Fatalf("the attacks do not begin: %q, %v, %v\n%s", line, err, a.cmd.Wait(), &a.stderr)
	}
	return a
}

// begun is the line by which the attackers tell that the server has heard of them.
const begun = "begun"

// stop ends the attacks and tells what became of them.
func (a *attackers) stop(t *testing.T) string {
	t.Helper()
	a.stdin.Close()
	report, err := io.ReadAll(a.stdout)
	if err := errors.Join(err, a.cmd.Wait()); err != nil {
		t.Fatalf("the attackers' process: %v\n%s", err, &a.stderr)
	}
	return strings.TrimSpace(string(report))
}

// carryOut is the attackers' process. It ends with its standard input, which
// ends with the test.
func carryOut(names []string) int {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	addresses, err := strconv.Atoi(os.Getenv("HOSTILE_ADDRESSES"))
	if err != nil {
		fmt.Fprintln(os.Stderr, "HOSTILE_ADDRESSES:", err)
		return 2
	}
	a := newAttacker(os.Getenv("HOSTILE_TARGET"), addresses)
	go func() {
		select {
		case <-a.begun:
			fmt.Fprintln(os.Stdout, begun)
		case <-ctx.Done():
		}
	}()
	done := make(chan struct{}, len(names))
	for _, name := range names {
		chosen, err := attackNamed(name)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 2
		}
		go func() {
			defer func() { done <- struct{}{} }()
			chosen.run(ctx, a)
		}()
	}
	<-ctx.Done()
	deadline := time.After(5 * time.Second)
	for left := len(names); left > 0; left-- {
		select {
		case <-done:
		case <-deadline: // what is left ends with the process
			left = 1
		}
	}
	fmt.Fprintln(os.Stdout, a)
	return 0
}
