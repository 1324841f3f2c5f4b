package checks

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
)

// flyServices has the keys of Fly's reference that the example uses.
type flyServices struct {
	Services []struct {
		InternalPort int    `toml:"internal_port"`
		Protocol     string `toml:"protocol"`
		Ports        []struct {
			Port       int      `toml:"port"`
			Handlers   []string `toml:"handlers"`
			TLSOptions struct {
				ALPN []string `toml:"alpn"`
			} `toml:"tls_options"`
		} `toml:"ports"`
	} `toml:"services"`
}

// The example of Fly in docs/migrating-from-breez.md has clients reach gRPC and gRPC-Web at the ports
// that the text names, by HTTP/2 and by HTTP/1.1, at the addresses of the deployment that it shows.
func TestFlyBesideBreezClients(t *testing.T) {
	t.Parallel()
	text := read(t, "../../docs/migrating-from-breez.md")
	var fly flyServices
	meta, err := toml.Decode(only(t, text, "(?s)Fly.io:\n\n```toml\n(.*?)```"), &fly)
	if err != nil {
		t.Fatal(err)
	}
	if unknown := meta.Undecoded(); len(unknown) > 0 {
		t.Errorf("keys that Fly does not know: %v", unknown)
	}
	cfg := loadConfig(t, strings.Fields(only(t, text, "```sh\n(BREEZ_COMPATIBILITY=.*) syncline\n```")))
	if len(fly.Services) != 2 {
		t.Fatalf("%d services", len(fly.Services))
	}
	for i, want := range []struct {
		address, port  string // of Syncline, and of clients
		handlers, alpn []string
	}{
		{cfg.GRPCListenAddress, only(t, text, `gRPC at port (\d+)`), []string{"tls"}, []string{"h2"}},            // which reaches Syncline as h2c
		{cfg.GRPCWebListenAddress, only(t, text, `gRPC-Web in browsers at (\d+)`), []string{"tls", "http"}, nil}, // the proxy speaks HTTP
	} {
		service := fly.Services[i]
		if address := fmt.Sprint(":", service.InternalPort); address != want.address || service.Protocol != "tcp" || len(service.Ports) != 1 {
			t.Errorf("%+v, want %+v", service, want)
			continue
		}
		if port := service.Ports[0]; fmt.Sprint(port.Port) != want.port || !slices.Equal(port.Handlers, want.handlers) || !slices.Equal(port.TLSOptions.ALPN, want.alpn) {
			t.Errorf("%+v, want %+v", port, want)
		}
	}
}

// only is what the one place of a text has that an expression describes.
func only(t *testing.T, text, expression string) string {
	t.Helper()
	found := regexp.MustCompile(expression).FindAllStringSubmatch(text, -1)
	if len(found) != 1 {
		t.Fatalf("%s: %d places", expression, len(found))
	}
	return found[0][1]
}
