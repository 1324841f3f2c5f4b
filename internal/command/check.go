package command

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"syncline/auth"
	"syncline/auth/redisnonce"
	"syncline/internal/config"
	"syncline/internal/diskspace"
	"syncline/internal/redisclient"
	"syncline/internal/servercert"
	"syncline/locks/redislock"
	"syncline/storage"
)

type checkCommand struct{}

// Help is shown by syncline check --help.
func (*checkCommand) Help() string {
	return `It changes nothing, and may run beside a server. A line each begins with ok, warn or fail. The exit code is 1 if anything fails, which would keep a server from starting or from doing its work.`
}

// checkTime bounds what one step may take.
const checkTime = 15 * time.Second

// How far clocks may be apart. A signature may be 60 seconds ahead of the server's.
const (
	clockDiffers = 2 * time.Second
	clockIsWrong = 30 * time.Second
)

// report tells what was found, one line each.
type report struct {
	line   *line
	failed bool
	err    error // of telling
}

func (r *report) tell(verdict, what, format string, args ...any) {
	r.failed = r.failed || verdict == "fail"
	r.err = errors.Join(r.err, r.line.printf("%-4s  %-13s  %s\n", verdict, what, fmt.Sprintf(format, args...)))
}

func (c *checkCommand) Run(ctx context.Context, l *line) error {
	r := &report{line: l}
	cfg, err := l.config()
	if err != nil {
		r.tell("fail", "configuration", "%v", err)
		return errors.Join(r.err, errors.New("the configuration is not valid, so nothing else was checked"))
	}
	if _, err := auth.ParseAuthorities(cfg.PublicAuthorities); err != nil {
		r.tell("fail", "configuration", "PUBLIC_AUTHORITIES: %v", err)
	} else {
		r.tell("ok", "configuration", "valid")
	}
	for _, warning := range cfg.Warnings {
		r.tell("warn", "configuration", "%s", warning)
	}
	for _, check := range []func(context.Context, config.Config){r.database, r.redis, r.disk, r.certificates} {
		ctx, cancel := context.WithTimeout(ctx, checkTime)
		check(ctx, cfg)
		cancel()
	}
	if r.failed {
		return errors.Join(r.err, errors.New("something fails: see above"))
	}
	return r.err
}

func (r *report) database(ctx context.Context, cfg config.Config) {
	if cfg.DatabaseURL == "" {
		switch contents, err := storage.LookAtSQLite(ctx, cfg.SQLiteDirPath); {
		case errors.Is(err, storage.ErrNoDatabase):
			r.tell("warn", "database", "there is none in %q yet: serving makes one, empty", cfg.SQLiteDirPath)
		case err != nil:
			r.tell("fail", "database", "SQLITE_DIR_PATH: %v", err)
		default:
			r.tell("ok", "database", "SQLite in %q: %s", cfg.SQLiteDirPath, contents)
		}
		return
	}
	db, err := open(ctx, cfg)
	if err != nil {
		r.tell("fail", "database", "%v", err)
		return
	}
	defer func() { r.err = errors.Join(r.err, db.Close()) }()
	switch err := db.MustHaveTables(ctx); {
	case errors.Is(err, storage.ErrNoDatabase):
		r.tell("warn", "database", "nothing is kept in %s yet: serving makes the tables", db.Place())
	case err != nil:
		r.tell("fail", "database", "DATABASE_URL: %v", err)
	default:
		r.tell("ok", "database", "PostgreSQL %s", db.Place())
	}
	r.clock("PostgreSQL", func() (time.Time, error) { return db.Clock(ctx) })
}

// clock compares this machine's clock with another's, to within half of the time
// that asking takes.
func (r *report) clock(of string, ask func() (time.Time, error)) {
	before := time.Now()
	theirs, err := ask()
	if err != nil {
		r.tell("fail", "clock", "%s does not tell the time: %v", of, err)
		return
	}
	asking := time.Since(before)
	differs := before.Add(asking / 2).Sub(theirs)
	verdict := "ok"
	switch apart := differs.Abs() - asking/2; {
	case apart > clockIsWrong:
		verdict = "fail"
	case apart > clockDiffers:
		verdict = "warn"
	}
	r.tell(verdict, "clock", "this machine's is %v ahead of that of %s", differs.Round(time.Millisecond), of)
}

func (r *report) redis(ctx context.Context, cfg config.Config) {
	if cfg.RedisURL == "" {
		return
	}
	log := slog.New(slog.DiscardHandler) // what goes wrong is told in our lines
	redisclient.LogTo(log)
	client, err := redisclient.Open(cfg.RedisURL)
	if err != nil {
		r.tell("fail", "Redis", "REDIS_URL: %v", err)
		return
	}
	defer func() { r.err = errors.Join(r.err, client.Close()) }()
	nonces := redisnonce.New(client, auth.NewMemoryNonces(1, time.Now), time.Now, log, redisnonce.WithPrefix(cfg.RedisPrefix+":check"), redisnonce.Trial())
	for _, use := range []redisclient.Use{
		{Name: "locks", Probe: redislock.New(client, nil, redislock.WithPrefix(cfg.RedisPrefix)).Probe},
		{Name: "nonces", Probe: nonces.Probe},
		{Name: "notifications", Probe: func(ctx context.Context) error { return client.Publish(ctx, cfg.RedisPrefix+":check", "").Err() }},
	} {
		if err := use.Probe(ctx); err != nil {
			r.tell("fail", "Redis", "%s: %v", use.Name, err)
		} else {
			r.tell("ok", "Redis", "%s work", use.Name)
		}
	}
	if policy := redisclient.Evicting(ctx, client); policy != "" {
		r.tell("warn", "Redis", "%s", redisclient.EvictionWarning(policy))
	}
	r.clock("Redis", func() (time.Time, error) { return client.Time(ctx).Result() })
}

// disk is of SQLite's directory, or where that is to be made.
func (r *report) disk(_ context.Context, cfg config.Config) {
	if cfg.DatabaseURL != "" {
		return
	}
	dir, err := filepath.Abs(cfg.SQLiteDirPath)
	if err != nil {
		r.tell("fail", "disk", "%v", err)
		return
	}
	for ; !isThere(dir) && dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
	}
	space := diskspace.New(dir, int64(cfg.MinFreeDisk), slog.New(slog.DiscardHandler))
	if err := space.Left(); err != nil {
		r.tell("fail", "disk", "%v (MIN_FREE_DISK): writes that grow the data would be refused", err)
		return
	}
	r.tell("ok", "disk", "%d MiB are free", space.Free()>>20)
}

// certificates leaves out whether CRL_URL answers: the server fetches it by and by,
// and /readyz tells.
func (r *report) certificates(_ context.Context, cfg config.Config) {
	if cfg.CACert != "" {
		until, err := auth.CertificateEnds(cfg.CACert)
		r.certificate("CA_CERT", until, certificateSoon, err)
	}
	if !cfg.TLS() {
		return
	}
	files, err := servercert.Open(cfg.TLSCertFile, cfg.TLSKeyFile, slog.New(slog.DiscardHandler))
	if err != nil {
		r.tell("fail", "certificates", "TLS_CERT_FILE: %v", err)
		return
	}
	leaf := files.Leaf()
	r.certificate("TLS_CERT_FILE", leaf.NotAfter, tlsCertificateSoon, nil)
	for authority := range strings.SplitSeq(cfg.PublicAuthorities, ",") {
		name := strings.TrimSpace(authority)
		if host, _, err := net.SplitHostPort(name); err == nil {
			name = host
		}
		if name != "" && leaf.VerifyHostname(name) != nil {
			r.tell("warn", "certificates", "TLS_CERT_FILE is not for %s, which PUBLIC_AUTHORITIES has", name)
		}
	}
}

func (r *report) certificate(variable string, until time.Time, soon time.Duration, err error) {
	switch left := time.Until(until); {
	case err != nil:
		r.tell("fail", "certificates", "%v", err)
	case left < 0:
		r.tell("fail", "certificates", "%s ended at %s", variable, until.Format(time.RFC3339))
	case left < soon:
		r.tell("warn", "certificates", "%s ends at %s", variable, until.Format(time.RFC3339))
	default:
		r.tell("ok", "certificates", "%s is good until %s", variable, until.Format(time.RFC3339))
	}
}

// Time to replace a certificate: by hand, or where a program should have done it.
const (
	certificateSoon    = 30 * 24 * time.Hour
	tlsCertificateSoon = 7 * 24 * time.Hour
)

func isThere(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
