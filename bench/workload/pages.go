package workload

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"strconv"

	"syncline/bench/load"
	"syncline/bench/servers"
)

// pages are whole pages of changes.
var pages = Workload{
	Name:     "pages",
	About:    "pages of 1000 records of 1 KiB, as they are and with gzip",
	Headline: rateFigure,
	Run: func(ctx context.Context, l *Lab) error {
		for _, d := range l.Deployments {
			if !basic(d) {
				continue
			}
			if err := l.pagesOn(ctx, d); err != nil {
				return fmt.Errorf("%s: %w", d, err)
			}
		}
		return nil
	},
}

const pageRecords = 1000

func (l *Lab) pagesOn(ctx context.Context, d servers.Deployment) error {
	f, err := l.start(ctx, d, false)
	if err != nil {
		return err
	}
	defer f.stop()
	owners, err := load.NewOwners(1)
	if err != nil {
		return err
	}
	for _, s := range f.synclines() {
		if err := fill(ctx, endpoints(s.service)[0], owners[0], "page-", 0, pageRecords, recordSize); err != nil {
			return err
		}
	}
	for _, encoding := range []string{"identity", "gzip"} {
		contenders, err := l.reading(ctx, f, owners, encoding)
		if err != nil {
			return err
		}
		name := fmt.Sprintf("%s, %d connections, %s", d, l.middling(), encoding)
		if err := l.race(ctx, "pages", name, contenders); err != nil {
			return err
		}
	}
	return nil
}

// reading are the contenders that read pages with an encoding.
func (l *Lab) reading(ctx context.Context, f *field, owners []load.Owner, encoding string) ([]contender, error) {
	header := map[string]string{"Accept-Encoding": encoding}
	request := load.Changes("", pageRecords)
	size := 0
	var contenders []contender
	for _, s := range f.synclines() {
		n, err := checkPage(ctx, endpoints(s.service)[0], owners[0], request, encoding)
		if err != nil {
			return nil, err
		}
		size = max(size, n)
		// Compressed pages are checked once, above: the load generator is no browser.
		check := load.EndsWith(`"hasMore":false`)
		if encoding != "identity" {
			check = func([]byte) error { return nil }
		}
		contenders = append(contenders, newAsking(s, l.middling(), ownerOf(owners), func(int) []byte { return request }, header, check))
	}
	yardstick, err := plain(f.plain, l.middling(), size, request, load.Contains(load.Success))
	return append([]contender{yardstick}, contenders...), err
}

// checkPage reads one page, sees that it is whole, and tells its length as sent.
func checkPage(ctx context.Context, endpoint *url.URL, owner load.Owner, request []byte, encoding string) (int, error) {
	req, err := owner.Sign(endpoint, request)
	if err != nil {
		return 0, err
	}
	req.Header.Set("Accept-Encoding", encoding)
	conn := load.NewConns([]*url.URL{endpoint}, 1)[0]
	defer conn.Close()
	answer, err := conn.Post(ctx, req)
	if err != nil {
		return 0, err
	}
	size := len(answer)
	if bytes.HasPrefix(answer, []byte{0x1f, 0x8b}) {
		unzipped, err := gzip.NewReader(bytes.NewReader(answer))
		if err != nil {
			return 0, err
		}
		if answer, err = io.ReadAll(unzipped); err != nil {
			return 0, err
		}
	}
	var page struct {
		Data struct {
			Changes struct {
				Records []struct{ Data []byte }
				HasMore bool
			}
		}
	}
	if err := json.Unmarshal(answer, &page); err != nil {
		return 0, err
	}
	if c := page.Data.Changes; c.HasMore || len(c.Records) != pageRecords || len(c.Records[0].Data) != recordSize {
		return 0, fmt.Errorf("a page has %d records: %.200s", len(c.Records), answer)
	}
	return size, nil
}

// fill gives an owner records number from to to, by batches over a WebSocket.
func fill(ctx context.Context, endpoint *url.URL, owner load.Owner, prefix string, from, to, size int) error {
	socket, err := load.Dial(ctx, endpoint, owner)
	if err != nil {
		return err
	}
	defer socket.Close()
	const batch = 100
	for from < to {
		var ids []string
		for ; from < to && len(ids) < batch; from++ {
			ids = append(ids, prefix+strconv.Itoa(from))
		}
		if err := socket.Do(ctx, load.Batch(ids, load.RandomData(size)), created); err != nil {
			return err
		}
	}
	return nil
}
