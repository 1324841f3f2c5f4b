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
// time: other tests run beside it. The long one goes on for longer.
var (
	verify = os.Getenv("SYNCLINE_VERIFY") != ""
	long   = os.Getenv("SYNCLINE_LONG") != ""
)

const (
	rounds = 3 // of an attack; the median of their p99 counts
	// slowest is what the p99 may be whatever it was without an attack: the attackers
	// are on this machine, too. slowestForMemory is for attacks, without rate limits,
	// that hold memory or bring large messages: others wait until those are cut off
	// who take nothing for a second.
	slowest          = time.Second
	slowestForMemory = 1500 * time.Millisecond
	// timesQuiet is how much an attack may raise the p99 above that.
	timesQuiet = 5
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
	quiet  []time.Duration // p99 of the rounds without an attack
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
	honest, wait := startHonest(ctx, t, tr.server.Address)
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
	pause(t.Context(), roundTime())
	p99, _, failures := tr.honest.round()
	tr.quiet = append(tr.quiet, p99)
	if len(failures) > 0 {
		t.Errorf("without an attack: %d failed, such as %s", len(failures), failures[0])
	}
}

func median(durations []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(durations))
	return sorted[len(sorted)/2]
}

// attack carries out attacks, all at once, and judges what they do to the
// server and its users, whose p99 may be most, or timesQuiet what it is without.
func (tr *trial) attack(t *testing.T, addresses int, most time.Duration, names ...string) {
	s := tr.server
	tr.quietRound(t)
	if err := resetPeak(s.PID()); err != nil {
		t.Fatal(err)
	}
	attackers := unleash(t, s.Address, addresses, names)
	var p99s []time.Duration
	var failures []string
	succeeded := 0
	for range rounds {
		pause(t.Context(), roundTime())
		p99, count, failed := tr.honest.round()
		p99s, failures, succeeded = append(p99s, p99), append(failures, failed...), succeeded+count
	}
	report := attackers.stop(t)
	// What the attack leaves behind counts, but as no time of its own.
	pause(t.Context(), roundTime())
	_, count, failed := tr.honest.round()
	failures, succeeded = append(failures, failed...), succeeded+count
	peak, err := residentBytes(s.PID(), "VmHWM")
	died := err != nil || s.died()
	held := fmt.Sprintf("%d MiB", peak>>20)
	switch slow, limit := median(p99s), max(most, timesQuiet*median(tr.quiet)); {
	case died:
		t.Errorf("the server died")
		held = "died"
	case verify && slow > limit:
		t.Errorf("p99 of honest users was %v, without an attack %v", slow, median(tr.quiet))
	}
	if len(failures) > 0 {
		t.Errorf("%d operations of honest users failed, %d did not: %s", len(failures), succeeded, failures[0])
	}
	row := fmt.Sprintf("| %s | %s | %s | %d of %d |", strings.ReplaceAll(path.Base(t.Name()), "_", " "), held, median(p99s).Round(time.Millisecond), len(failures), succeeded+len(failures))
	t.Logf("%s\n\t%s", row, report)
	fmt.Fprintln(&tr.table, row)
	if died {
		s.Start()
		pause(t.Context(), 4*roundTime()) // for its users to come back
		tr.honest.round()
	}
}

// end checks that the attacks left nothing behind.
func (tr *trial) end() {
	tr.t.Logf("quiet p99 %v; %.0f MiB heap, %.0f goroutines\n%s", median(tr.quiet), tr.before.heap/(1<<20), tr.before.goroutines, &tr.table)
	var after figures
	var err error
	began := time.Now()
	patience := time.NewTimer(time.Minute)
	defer patience.Stop()
	for {
		after, err = tr.server.figures(tr.t.Context())
		if err == nil && after.heap < tr.before.heap+32<<20 && after.goroutines < tr.before.goroutines+20 && after.descriptors < tr.before.descriptors+20 {
			break
		}
		select {
		case <-patience.C:
			tr.t.Fatalf("the attacks left something behind (%v): before %+v, after %+v", err, tr.before, after)
		case <-time.After(200 * time.Millisecond):
		}
	}
	tr.t.Logf("%.0f MiB heap, %.0f goroutines %v after the last attack", after.heap/(1<<20), after.goroutines, time.Since(began).Round(time.Millisecond))
	tr.leave()
	if _, _, failures := tr.honest.round(); len(failures) > 0 {
		tr.t.Errorf("after the attacks: %d failed, such as %s", len(failures), failures[0])
	}
	if err := tr.server.Stop(); err != nil {
		tr.t.Errorf("the server does not stop as it should: %v\n%s", err, tr.server.Log())
	}
}

// enrich writes the records of the rich owners.
func enrich(t *testing.T, s *server) {
	t.Helper()
	for i := range richOwners {
		u := &user{honest: newHonest(s.Address), key: rich(i), http: newHTTPClient("127.0.3.1")}
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
	a := &attackers{cmd: exec.Command("nice", "-n", "5", program)}
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

// stop ends the attacks and tells how they fared.
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
	patience := time.After(5 * time.Second)
	for left := len(names); left > 0; left-- {
		select {
		case <-done:
		case <-patience: // what is left ends with the process
			left = 1
		}
	}
	fmt.Fprintln(os.Stdout, a)
	return 0
}
