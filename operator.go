package main

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"syncline/internal/commandline"
	"syncline/internal/health"
	"syncline/internal/metrics"
	"syncline/internal/operatorpage"
	"syncline/storage"
	"syncline/storage/owners"
)

// prefixLength is how much of an owner's key is shown, as in the log.
const prefixLength = 12

func newOperatorPage(db *storage.DB, state *health.Health, figures *metrics.Metrics, log *slog.Logger) http.Handler {
	return operatorpage.New(operatorpage.Source{
		Version: commandline.Version(), Database: db.Dialect, Started: time.Now(),
		Health: state.State, Figures: figures.Gather, Log: log,
		Owners: func(ctx context.Context, most int) (list []operatorpage.Owner, err error) {
			err = owners.List(ctx, db, owners.Filter{Order: owners.ByBytes, Most: most}, func(a owners.Account) error {
				list = append(list, operatorpage.Owner{Prefix: a.Owner.String()[:prefixLength], Records: a.Records, Bytes: a.Bytes, Written: a.Written})
				return nil
			})
			return list, err
		},
	})
}
