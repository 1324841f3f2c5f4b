package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start runs the program and gives where it serves.
func start(t *testing.T) (origin string) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	out, in := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, "localhost:0", in) }()
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		stop()
		if err := <-ended; err != nil {
			t.Errorf("run: %v", err)
		}
	})
	text, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(strings.TrimPrefix(text, "open "))
}

func post(t *testing.T, address string, fields url.Values) {
	t.Helper()
	response, err := http.PostForm(address, fields)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusNoContent {
		t.Fatalf("POST %s: %s", address, response.Status)
	}
}

// await reads the page's stream until a state satisfies, and gives the lines
// before it.
func await(t *testing.T, origin string, satisfies func(state) bool) []line {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, origin+"/stream", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var lines []line
	kind := ""
	for scanner := bufio.NewScanner(response.Body); scanner.Scan(); {
		if name, ok := strings.CutPrefix(scanner.Text(), "event: "); ok {
			kind = name
		}
		data, ok := strings.CutPrefix(scanner.Text(), "data: ")
		if !ok {
			continue
		}
		var l line
		var s state
		switch kind {
		case "line":
			err = json.Unmarshal([]byte(data), &l)
			lines = append(lines, l)
		case "state":
			err = json.Unmarshal([]byte(data), &s)
		}
		if err != nil {
			t.Fatal(err)
		}
		if kind == "state" && satisfies(s) {
			return lines
		}
	}
	t.Fatal("the stream ended before the state that was expected")
	return nil
}

// agree tells whether all devices show the same notes, and hold as many events.
func agree(s state, events int) bool {
	return !slices.ContainsFunc(s.Devices, func(d deviceState) bool {
		return d.Events != events || !maps.Equal(d.Notes, s.Devices[0].Notes)
	})
}

func TestDevicesAgreeAfterAnOfflineSpell(t *testing.T) {
	origin := start(t)
	await(t, origin, func(s state) bool { return len(s.Devices) == 3 })
	post(t, origin+"/devices/tablet/offline", nil)
	post(t, origin+"/devices/tablet/write", url.Values{"text": {"tea"}, "note": {"drinks"}})
	post(t, origin+"/devices/phone/write", url.Values{"text": {"bread"}})
	await(t, origin, func(s state) bool {
		return s.Devices[1].Notes["shopping"] == "bread" && s.Devices[2].Events == 1 && !s.Devices[2].Online
	})
	post(t, origin+"/devices/tablet/online", nil)
	await(t, origin, func(s state) bool {
		return agree(s, 2) && maps.Equal(s.Devices[2].Notes, map[string]string{"shopping": "bread", "drinks": "tea"})
	})
}

func TestConflictIsResolvedAlikeEverywhere(t *testing.T) {
	origin := start(t)
	post(t, origin+"/conflict", url.Values{"note": {"shopping"}})
	// Two events, and the resolution of whoever saw the conflict.
	lines := await(t, origin, func(s state) bool {
		return agree(s, 3) && s.Devices[0].Notes["shopping"] == "what the laptop says"
	})
	if !slices.ContainsFunc(lines, func(l line) bool { return l.Kind == "conflict" && strings.Contains(l.Text, "the last write wins") }) {
		t.Errorf("no line tells of the conflict: %+v", lines)
	}
}

func TestUnknownDevicesAndActionsAreRefused(t *testing.T) {
	origin := start(t)
	for _, path := range []string{"/devices/fridge/write", "/devices/phone/explode"} {
		response, err := http.PostForm(origin+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != http.StatusNotFound {
			t.Errorf("POST %s: %s", path, response.Status)
		}
	}
}
