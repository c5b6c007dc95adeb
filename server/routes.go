package server

import (
	"net/http"
	"strings"

	"npinf/internal/schema"

	"github.com/labstack/echo/v4"
)

// route is one row of the API: what a request has to look like, and who answers it.
type route struct {
	method, path string
	request      *schema.Model // nil where no body is read
	answer       func(*Server, echo.Context, schema.Values) error
	access       access
}

// access says what a route does without.
type access uint8

const (
	secretNeeded access = iota
	open                // needs no secret
	probe               // needs no secret, and answers before the model is loaded
	reloads             // needs the secret, and also answers when a load has failed
)

func (a access) needsSecret() bool { return a == secretNeeded || a == reloads }

const get, post = http.MethodGet, http.MethodPost

// routes is the whole API.
var routes = []route{
	{get, "/livez", nil, (*Server).live, probe},
	{get, "/readyz", nil, (*Server).ready, probe},
	{get, "/health", nil, (*Server).health, open},
	{get, "/openapi.json", nil, (*Server).document, secretNeeded},
	{get, "/docs", nil, (*Server).viewer, secretNeeded},
	{get, "/redoc", nil, (*Server).viewer, secretNeeded},
	{post, "/initialize", nil, (*Server).initialize, reloads},

	{get, "/v1/capabilities", nil, (*Server).capabilities, secretNeeded},
	{get, "/v1/provenance", nil, (*Server).provenance, secretNeeded},
	{post, "/v1/tokenize", tokenizeRequest, (*Server).tokenize, secretNeeded},
	{post, "/v1/apply-chat-template", chatTemplateRequest, (*Server).applyChatTemplate, secretNeeded},

	{post, "/v1/activation/single", singleRequest, (*Server).single, secretNeeded},
	{post, "/v1/activation/single-batch", singleBatchRequest, (*Server).singleBatch, secretNeeded},
	{post, "/v1/activation/all", allRequest, (*Server).all, secretNeeded},
	{post, "/v1/activation/all-batch", allBatchRequest, (*Server).allBatch, secretNeeded},
	{post, "/v1/activation/topk-by-token", topKRequest, (*Server).topK, secretNeeded},
	{post, "/v1/activation/topk-by-token-batch", topKBatchRequest, (*Server).topKBatch, secretNeeded},
	{post, "/v1/activation/source", sourceRequest, (*Server).source, secretNeeded},
	{post, "/v1/activation/raw", rawRequest, (*Server).raw, secretNeeded},
	{post, "/v1/activation/attention", attentionRequest, (*Server).attention, secretNeeded},

	{post, "/v1/util/sae-vector", vectorRequest, (*Server).sourceVector, secretNeeded},
	{post, "/v1/util/sae-topk-by-decoder-cossim", neighboursRequest, (*Server).neighbours, secretNeeded},
	{post, "/v1/util/similarity-matrix-pred", similarityRequest, (*Server).similarity, secretNeeded},

	{post, "/v1/steer/completion", steerRequest, (*Server).steer, secretNeeded},
	{post, "/v1/steer/completion-chat", steerChatRequest, (*Server).steerChat, secretNeeded},
	{get, "/v1/steer/health", nil, (*Server).steerHealth, secretNeeded},
	{post, "/v1/lens/prompt", lensRequest, (*Server).lens, secretNeeded},
}

// handler reads what a route needs of a request and lets it answer.
func (s *Server) handler(r *route) echo.HandlerFunc {
	return func(c echo.Context) error {
		if strings.HasPrefix(r.path, "/v1/") {
			s.explain(c)
		}
		if err := s.chooseSpelling(c); err != nil {
			return err
		}
		var values schema.Values
		if r.request != nil {
			var err error
			if values, err = s.read(c, r.request); err != nil {
				return err
			}
		}
		return r.answer(s, c, values)
	}
}
