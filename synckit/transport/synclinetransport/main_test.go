package synclinetransport_test

import (
	"os"
	"testing"

	"syncline/internal/testservers"
)

func TestMain(m *testing.M) { os.Exit(testservers.Main(m)) }
