// Command plain is the yardstick: a plain net/http server that reads a request's
// body and answers JSON. What it does per second on a machine is what any Go
// server could do there at best, so that ratios to it carry over.
package main

import (
	"bytes"
	"flag"
	"io"
	"log"
	"net"
	"net/http"
	"strconv"
	"time"
)

func main() {
	address := flag.String("listen", "127.0.0.1:8090", "where to listen")
	flag.Parse()
	l, err := net.Listen("tcp", *address) //nolint:noctx // listens until the end
	if err != nil {
		log.Fatal(err)
	}
	server := http.Server{Handler: http.HandlerFunc(answer), ReadHeaderTimeout: 10 * time.Second}
	log.Fatal(server.Serve(l))
}

// answer reads the body and answers so many bytes as the query ?answer= asks for.
func answer(w http.ResponseWriter, r *http.Request) {
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		http.Error(w, "the body could not be read", http.StatusBadRequest)
		return
	}
	size, _ := strconv.Atoi(r.URL.Query().Get("answer")) // 0: the shortest answer
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(body(size))
}

// What an answer begins and ends with: clients decode it as they do Syncline's.
const (
	head = `{"data":{"setRecord":{"status":"SUCCESS","padding":"`
	tail = `"}}}`
)

func body(size int) []byte {
	padding := min(max(size-len(head)-len(tail), 0), 16<<20)
	var b bytes.Buffer
	b.Grow(len(head) + padding + len(tail))
	b.WriteString(head)
	b.Write(bytes.Repeat([]byte("x"), padding))
	b.WriteString(tail)
	return b.Bytes()
}
