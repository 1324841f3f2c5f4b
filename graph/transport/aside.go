package transport

import (
	"context"
	"io"
	"net/http"

	"syncline/internal/turns"
)

// aside lets others have the processor while a client takes a piece of what is
// encoded in a turn.
type aside struct {
	io.Writer
	ctx  context.Context
	turn *turns.Turn
}

// Write implements io.Writer. The turn is taken again, unless ctx has ended: then
// the answer is completed without.
func (a aside) Write(piece []byte) (int, error) {
	a.turn.Give()
	n, err := a.Writer.Write(piece)
	if err == nil {
		_ = a.turn.Take(a.ctx)
	}
	return n, err
}

// asideResponse is aside for what compresses, too.
type asideResponse struct {
	http.ResponseWriter
	aside aside
}

func (w asideResponse) Write(piece []byte) (int, error) { return w.aside.Write(piece) }

// Unwrap is for http.ResponseController.
func (w asideResponse) Unwrap() http.ResponseWriter { return w.ResponseWriter }
