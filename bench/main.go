// Command bench measures Syncline against its own past, a plain net/http server,
// PocketBase, etcd and NATS, each as a process of its own on this machine. README.md says
// how, and what came out last.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"syncline/bench/report"
	"syncline/bench/servers"
	"syncline/bench/workload"
)

// defaultBaseline is the last revision before the write path committed in groups.
const defaultBaseline = "2169ae2"

type options struct {
	quick       bool
	workloads   string
	deployments string
	connections string
	rounds      int
	duration    time.Duration
	baseline    string
	out         string
	dir         string
	profile     bool
	peers       bool
	check       bool
}

func main() {
	var o options
	flag.BoolVar(&o.quick, "quick", false, "shorter and smaller, for an impression")
	flag.StringVar(&o.workloads, "workloads", "", "which ones, comma-separated (default all: "+strings.Join(names(workload.All()), ",")+")")
	flag.StringVar(&o.deployments, "deployments", "", "what Syncline runs on, comma-separated (default all: "+strings.Join(deployments(), ",")+"; with -quick sqlite,postgres)")
	flag.StringVar(&o.connections, "connections", "", "of writes, comma-separated; the last number is that of other workloads, too (default 1,16,64; with -quick 1,64)")
	flag.IntVar(&o.rounds, "rounds", 0, "how often each figure is measured")
	flag.DurationVar(&o.duration, "duration", 0, "how long one measurement takes")
	flag.StringVar(&o.baseline, "baseline", defaultBaseline, "git revision to compare with; empty for none")
	flag.StringVar(&o.out, "out", "results", "directory of the results")
	flag.StringVar(&o.dir, "dir", os.TempDir(), "where programs are built and databases lie: it should be on the disk that matters")
	flag.BoolVar(&o.peers, "peers", true, "measure PocketBase, etcd, NATS and Centrifuge, too")
	flag.BoolVar(&o.check, "check", false, "compare with the run that -out holds, and fail if a row got worse by more than its noise; results go into -out/check; neither a baseline nor a peer is measured")
	flag.BoolVar(&o.profile, "profile", false, "take CPU profiles of Syncline, too; figures are then a little lower")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	if err := run(ctx, o, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// run measures, and writes what it has also when a workload fails.
func run(ctx context.Context, o options, stdout io.Writer) error {
	// The generator shares the processors with the servers: it collects seldom.
	debug.SetGCPercent(400)
	chosen, err := choose(o.workloads)
	if err != nil {
		return err
	}
	var recorded *report.Report
	if o.check {
		if recorded, err = readRecorded(o.out); err != nil {
			return fmt.Errorf("read the recorded run: %w", err)
		}
		o.baseline, o.peers, o.out = "", false, filepath.Join(o.out, "check")
	}
	lab, err := newLab(o, stdout)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp(o.dir, "syncline-bench-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	root, err := servers.SourceRoot(ctx)
	if err != nil {
		return err
	}
	lab.Builder = servers.NewBuilder(root, dir, o.baseline)
	lab.Report.Machine = machine(ctx, root, dir)
	if o.peers {
		maps.Copy(lab.Report.Machine, peers(root))
	}
	var errs []error
	for _, w := range chosen {
		lab.Say("%s: %s", w.Name, w.About)
		if err := w.Run(ctx, lab); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", w.Name, err))
			lab.Say("%v", errs[len(errs)-1])
		}
		errs = append(errs, lab.Report.Save(o.out, charts(chosen))) // so far
		if ctx.Err() != nil {
			break
		}
	}
	errs = append(errs, lab.Report.WriteTable(stdout))
	if o.check {
		errs = append(errs, compare(lab.Report, recorded, stdout))
	}
	return errors.Join(errs...)
}

func readRecorded(dir string) (*report.Report, error) {
	file, err := os.Open(filepath.Join(dir, "results.json"))
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	return report.Read(file)
}

// compare fails for what got worse since the recorded run, and if there is nothing to compare.
func compare(now, recorded *report.Report, stdout io.Writer) error {
	changes := now.Compare(recorded)
	if len(changes) == 0 {
		return errors.New("check: no row of this run can be compared with the recorded one: both need 3 rounds")
	}
	errs := []error{report.WriteChanges(stdout, changes)}
	for _, c := range changes {
		if c.Worse {
			errs = append(errs, fmt.Errorf("check: %s, %s, %s: %s is %s, and was %s", c.Workload, c.Case, c.Subject, c.Now.Name, &c.Now, &c.Recorded))
		}
	}
	return errors.Join(errs...)
}

// newLab is the lab that the options ask for, still without programs.
func newLab(o options, stdout io.Writer) (*workload.Lab, error) {
	size, err := size(o)
	if err != nil {
		return nil, err
	}
	deployments, err := chooseDeployments(o)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	lab := &workload.Lab{
		Size: size, Deployments: deployments, Peers: o.peers,
		Report: &report.Report{Began: began.UTC(), Settings: settings(size, o.baseline)},
		Say: func(format string, args ...any) {
			_, _ = fmt.Fprintf(stdout, "%7.1fs  %s\n", time.Since(began).Seconds(), fmt.Sprintf(format, args...))
		},
	}
	if o.profile {
		lab.ProfileDir = filepath.Join(o.out, "profiles")
	}
	return lab, nil
}

func size(o options) (workload.Size, error) {
	s := workload.Full()
	if o.quick {
		s = workload.Quick()
	}
	if o.rounds > 0 {
		s.Rounds = o.rounds
	}
	if o.duration > 0 {
		s.Duration = o.duration
	}
	if o.connections == "" {
		return s, nil
	}
	s.Connections = nil
	for text := range strings.SplitSeq(o.connections, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return s, fmt.Errorf("connections: %q is not a number above zero", text)
		}
		s.Connections = append(s.Connections, n)
	}
	return s, nil
}

func choose(list string) ([]workload.Workload, error) {
	all := workload.All()
	if list == "" {
		return all, nil
	}
	var chosen []workload.Workload
	for name := range strings.SplitSeq(list, ",") {
		i := slices.IndexFunc(all, func(w workload.Workload) bool { return w.Name == name })
		if i < 0 {
			return nil, fmt.Errorf("unknown workload %q: there are %s", name, strings.Join(names(all), ", "))
		}
		chosen = append(chosen, all[i])
	}
	return chosen, nil
}

func chooseDeployments(o options) ([]servers.Deployment, error) {
	list := o.deployments
	switch {
	case list == "" && o.quick:
		list = "sqlite,postgres"
	case list == "":
		list = strings.Join(deployments(), ",")
	}
	var chosen []servers.Deployment
	for name := range strings.SplitSeq(list, ",") {
		d, err := servers.ParseDeployment(name)
		if err != nil {
			return nil, err
		}
		chosen = append(chosen, d)
	}
	return chosen, nil
}

func names(all []workload.Workload) []string {
	var list []string
	for _, w := range all {
		list = append(list, w.Name)
	}
	return list
}

func charts(all []workload.Workload) map[string]report.Chart {
	m := map[string]report.Chart{}
	for _, w := range all {
		m[w.Name] = report.Chart{Figure: w.Headline, About: w.About}
	}
	return m
}

func deployments() []string {
	var list []string
	for _, d := range servers.Deployments {
		list = append(list, d.Name)
	}
	return list
}

func settings(s workload.Size, baseline string) map[string]string {
	return map[string]string{
		"rounds":   fmt.Sprint(s.Rounds),
		"duration": s.Duration.String(),
		"baseline": baseline,
	}
}
