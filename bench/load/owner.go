package load

import (
	"net/http"
	"net/url"
	"time"

	"syncline/auth/signing"
)

// Owner is one whose data is written and read.
type Owner struct {
	key signing.PrivateKey
}

// NewOwners makes so many owners.
func NewOwners(n int) ([]Owner, error) {
	owners := make([]Owner, n)
	for i := range owners {
		key, err := signing.GenerateKey()
		if err != nil {
			return nil, err
		}
		owners[i] = Owner{key}
	}
	return owners, nil
}

// Request is a POST that is ready to be sent, once.
type Request struct {
	Body   []byte
	Header http.Header
}

// Sign makes a signed request. The server accepts it for 300 seconds.
func (o Owner) Sign(endpoint *url.URL, body []byte) (Request, error) {
	req := http.Request{Method: http.MethodPost, URL: endpoint, Host: endpoint.Host, Header: jsonHeader()}
	err := signing.SignRequest(&req, body, o.key, time.Now(), signing.NewNonce())
	return Request{Body: body, Header: req.Header}, err
}

// Plain is a request without signature.
func Plain(body []byte) Request { return Request{Body: body, Header: jsonHeader()} }

func jsonHeader() http.Header {
	return http.Header{
		"Content-Type": {"application/json"},
		"Accept":       {"application/graphql-response+json, application/json;q=0.9"},
	}
}
