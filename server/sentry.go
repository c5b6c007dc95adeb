package server

import (
	"strings"

	"npinf/engine"

	"github.com/getsentry/sentry-go"
	sentryecho "github.com/getsentry/sentry-go/echo"
	"github.com/labstack/echo/v4"
)

// Sentry says where unhandled errors are reported. Without a DSN they are only logged.
type Sentry struct {
	DSN         string
	Environment string
	Release     string
	// TracesSampleRate is the share of requests whose timing is sent, 0 to 1.
	TracesSampleRate float64
	// Tags go with every event: model_id, sae_sets, model_dtype.
	Tags map[string]string
	// StartArguments are the settings of the process, without secrets.
	StartArguments map[string]any
	// Transport replaces the network, for tests.
	Transport sentry.Transport
}

// newHub makes a hub of our own, so that no global state is shared; nil without a DSN.
func (s *Server) newHub() *sentry.Hub {
	o := s.options.Sentry
	if o.DSN == "" {
		return nil
	}
	nothing := &sentry.KeyValueCollectionBehavior{Mode: sentry.CollectionOff}
	client, err := sentry.NewClient(sentry.ClientOptions{
		Dsn:              o.DSN,
		Environment:      o.Environment,
		Release:          o.Release,
		EnableTracing:    o.TracesSampleRate > 0,
		TracesSampleRate: o.TracesSampleRate,
		Transport:        o.Transport,
		// What a client sent is not ours to pass on: no body, query, cookies or address.
		DataCollection: &sentry.DataCollection{
			UserInfo: sentry.Set(false), HTTPBodies: []sentry.BodyType{}, Cookies: nothing, QueryParams: nothing,
		},
		BeforeSend:            s.scrub,
		BeforeSendTransaction: s.scrub,
	})
	if err != nil {
		s.log.Error("errors will not be reported; check SENTRY_DSN", "cause", err)
		return nil
	}
	scope := sentry.NewScope()
	scope.SetTags(o.Tags)
	if o.StartArguments != nil {
		scope.SetContext("start_args", o.StartArguments)
	}
	return sentry.NewHub(client, scope)
}

// report lets Sentry see panics and the timing of requests.
func (s *Server) report(next echo.HandlerFunc) echo.HandlerFunc {
	if s.hub == nil {
		return next
	}
	watched := sentryecho.New(sentryecho.Options{Repanic: true})(next)
	return func(c echo.Context) error {
		sentryecho.SetHubOnContext(c, s.hub.Clone())
		return watched(c)
	}
}

// capture reports a defect.
func (s *Server) capture(c echo.Context, err *engine.Error) {
	hub := sentryecho.GetHubFromContext(c)
	if hub == nil {
		return
	}
	hub.Scope().SetTag("request_id", requestID(c))
	if err.Cause != nil {
		hub.CaptureException(err.Cause)
		return
	}
	hub.CaptureException(err)
}

const filtered = "[Filtered]"

// scrub takes out of an event whatever a client sent in confidence: the request's body, query
// and cookies, the secret's header, and the secret itself wherever it stands.
func (s *Server) scrub(event *sentry.Event, _ *sentry.EventHint) *sentry.Event {
	if r := event.Request; r != nil {
		r.Data, r.QueryString, r.Cookies, r.Env = "", "", "", nil
		for name := range r.Headers {
			if secretName(name) || strings.EqualFold(name, "Cookie") || strings.EqualFold(name, "Authorization") {
				r.Headers[name] = filtered
			}
		}
		r.URL = s.clean(r.URL)
		s.cleanTexts(r.Headers)
	}
	event.Message, event.Transaction = s.clean(event.Message), s.clean(event.Transaction)
	s.cleanTexts(event.Tags)
	for i := range event.Exception {
		event.Exception[i].Value = s.clean(event.Exception[i].Value)
	}
	for _, b := range event.Breadcrumbs {
		b.Message = s.clean(b.Message)
		s.cleanData(b.Data)
	}
	for _, context := range event.Contexts {
		s.cleanData(context)
	}
	for _, span := range event.Spans {
		span.Description = s.clean(span.Description)
		s.cleanTexts(span.Tags)
		s.cleanData(span.Data)
	}
	return event
}

// secretName tells whether a header or span attribute of this name holds the secret.
func secretName(name string) bool {
	name = strings.ToLower(name)
	return name == "x-secret-key" || name == "http.request.header.x-secret-key"
}

func (s *Server) clean(text string) string {
	if s.options.Secret == "" {
		return text
	}
	return strings.ReplaceAll(text, s.options.Secret, filtered)
}

func (s *Server) cleanTexts(texts map[string]string) {
	for key, text := range texts {
		texts[key] = s.clean(text)
	}
}

func (s *Server) cleanData(data map[string]any) {
	for key, value := range data {
		if secretName(key) {
			data[key] = filtered
		} else {
			data[key] = s.cleanValue(value)
		}
	}
}

func (s *Server) cleanValue(value any) any {
	switch v := value.(type) {
	case string:
		return s.clean(v)
	case []string:
		cleaned := make([]string, len(v))
		for i, text := range v {
			cleaned[i] = s.clean(text)
		}
		return cleaned
	case []any:
		cleaned := make([]any, len(v))
		for i, item := range v {
			cleaned[i] = s.cleanValue(item)
		}
		return cleaned
	case map[string]any:
		s.cleanData(v)
	case map[string]string:
		s.cleanTexts(v)
	}
	return value
}
