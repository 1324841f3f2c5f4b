//go:build !race

package hostile

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
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

var (
	verify = os.Getenv("SYNCLINE_VERIFY") != ""
	long   = os.Getenv("SYNCLINE_LONG") != ""
)

const (
	rounds = 3 // of an attack; the median of their p99 counts
	// slowest is what the p99 may be whatever it was without an attack: the
	// attackers are on this machine, too, and it may have other things to do.
	slowest = 250 * time.Millisecond
	// timesQuiet is how much an attack may raise the p99 above that.
	timesQuiet = 5
)

func roundTime() time.Duration {
	if long {
		return 4 * time.Second
	}
	return 500 * time.Millisecond
}

// What the smallest machine takes from attackers with as many keys and
// addresses as they like, one attack after the other.
func TestManyAddresses(t *testing.T) {
	tr := begin(t, "RATE_LIMITS=off")
	for _, g := range groups {
		for _, a := range g.attacks {
			if verify || a.name == g.attacks[0].name {
				tr.attack(a.name, a.name, 250)
			}
		}
	}
	tr.end()
}

// All attacks on one thing at once, from one address.
func TestOneAddress(t *testing.T) {
	tr := begin(t)
	for _, g := range groups {
		var names []string
		for _, a := range g.attacks {
			names = append(names, a.name)
		}
		tr.attack("all at once: "+g.name, strings.Join(names, ";"), 1)
	}
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
		tr.quietRound()
	}
	var err error
	if tr.before, err = tr.server.figures(ctx); err != nil {
		t.Fatal(err)
	}
	return tr
}

// quietRound measures a round without an attack, in which nothing may fail.
func (tr *trial) quietRound() {
	pause(tr.t.Context(), roundTime())
	p99, _, failures := tr.honest.round()
	tr.quiet = append(tr.quiet, p99)
	if len(failures) > 0 {
		tr.t.Errorf("without an attack: %d failed, such as %s", len(failures), failures[0])
	}
}

func median(durations []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(durations))
	return sorted[len(sorted)/2]
}

// attack carries out attacks, separated by semicolons, and judges what they do
// to the server and its users.
func (tr *trial) attack(title, names string, addresses int) {
	t, s := tr.t, tr.server
	tr.quietRound()
	if err := resetPeak(s.PID()); err != nil {
		t.Fatal(err)
	}
	attackers := unleash(t, s.Address, names, addresses)
	var p99s []time.Duration
	var failures []string
	succeeded := 0
	for range rounds {
		pause(t.Context(), roundTime())
		p99, count, failed := tr.honest.round()
		p99s, failures, succeeded = append(p99s, p99), append(failures, failed...), succeeded+count
	}
	report := attackers.stop()
	// What the attack leaves behind counts, but as no time of its own.
	pause(t.Context(), roundTime())
	_, count, failed := tr.honest.round()
	failures, succeeded = append(failures, failed...), succeeded+count
	peak, err := residentBytes(s.PID(), "VmHWM")
	died := err != nil || s.died()
	held := fmt.Sprintf("%d MiB", peak>>20)
	switch slow, limit := median(p99s), max(slowest, timesQuiet*median(tr.quiet)); {
	case died:
		t.Errorf("%s: the server died", title)
		held = "died"
	case slow > limit:
		t.Errorf("%s: p99 of honest users was %v, without an attack %v", title, slow, median(tr.quiet))
	}
	if len(failures) > 0 {
		t.Errorf("%s: %d operations of honest users failed, %d did not: %s", title, len(failures), succeeded, failures[0])
	}
	if report == "" {
		t.Errorf("%s: the attack did nothing", title)
	}
	row := fmt.Sprintf("| %s | %s | %s | %d of %d |", title, held, median(p99s).Round(100*time.Microsecond), len(failures), succeeded+len(failures))
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
	t      *testing.T
	cmd    *exec.Cmd
	stdin  io.Closer
	output bytes.Buffer
}

func unleash(t *testing.T, target, names string, addresses int) *attackers {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// The attackers' own work must not take the processor from the server: an
	// attack is what it makes the server do.
	a := &attackers{t: t, cmd: exec.Command("nice", "-n", "5", program)}
	a.cmd.Env = append(os.Environ(), "HOSTILE_ATTACKS="+names, "HOSTILE_TARGET="+target, "HOSTILE_ADDRESSES="+strconv.Itoa(addresses))
	a.cmd.Stdout, a.cmd.Stderr = &a.output, &a.output
	if a.stdin, err = a.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := a.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return a
}

// stop ends the attacks and tells how they fared.
func (a *attackers) stop() string {
	a.stdin.Close()
	if err := a.cmd.Wait(); err != nil {
		a.t.Fatalf("the attackers' process: %v\n%s", err, &a.output)
	}
	return strings.TrimSpace(a.output.String())
}

// carryOut is the attackers' process. It ends with its standard input, which
// ends with the test.
func carryOut(names []string) int {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
		time.AfterFunc(5*time.Second, func() { os.Exit(3) })
	}()
	addresses, err := strconv.Atoi(os.Getenv("HOSTILE_ADDRESSES"))
	if err != nil {
		fmt.Fprintln(os.Stderr, "HOSTILE_ADDRESSES:", err)
		return 2
	}
	a := newAttacker(os.Getenv("HOSTILE_TARGET"), addresses)
	done := make(chan struct{})
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
	for range names {
		<-done
	}
	fmt.Fprintln(os.Stdout, a)
	return 0
}
