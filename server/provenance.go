package server

import (
	"fmt"
	"net/url"
	"runtime"
	"strings"

	"npinf/engine"
	"npinf/internal/schema"

	"github.com/labstack/echo/v4"
)

// provenanceHeader says in one line what an answer was computed from.
const provenanceHeader = "X-Npinf-Provenance"

// explain puts the provenance on the answer to a request, whatever it will be. The line is
// written with the head of the answer, when everything that was used is known.
func (s *Server) explain(c echo.Context) {
	ctx, record := engine.Recording(c.Request().Context())
	c.SetRequest(c.Request().WithContext(ctx))
	c.Response().Before(func() {
		model, ok := record.Model()
		if !ok { // answered without a look at the model
			var err error
			if model, err = s.service.Provenance(); err != nil {
				return
			}
		}
		c.Response().Header().Set(provenanceHeader, provenanceLine(model, record.Sources(), s.options.Version))
	})
}

// provenanceLine is such as
// model=openai-community/gpt2@607a…; sources=a/b@12…,c/d@34…; dtype=float32; sae_dtype=float32; cpu=avx2; npinf=1.0.
func provenanceLine(p engine.Provenance, sources []engine.Origin, version string) string {
	parts := []string{"model=" + originText(p.Model)}
	if len(sources) > 0 {
		texts := make([]string, len(sources))
		for i, source := range sources {
			texts[i] = originText(source)
		}
		parts = append(parts, "sources="+strings.Join(texts, ","))
	}
	for _, part := range [][2]string{{"dtype", p.DType}, {"sae_dtype", p.SourceDType}, {"arithmetic", unusual(p.Arithmetic)}, {"cpu", p.CPUPath}, {"npinf", version}} {
		if part[1] != "" {
			parts = append(parts, part[0]+"="+url.QueryEscape(part[1]))
		}
	}
	return strings.Join(parts, "; ")
}

// unusual leaves out the arithmetic that everything has unless it was chosen otherwise.
func unusual(arithmetic string) string {
	if arithmetic == "float32" {
		return ""
	}
	return arithmetic
}

// originText is name@commit. A folder may have any name, a header may not hold it.
func originText(o engine.Origin) string {
	name := strings.ReplaceAll(url.QueryEscape(o.Name), "%2F", "/")
	if o.Commit == "" {
		return name
	}
	return name + "@" + o.Commit
}

// provenance tells everything that decides the numbers of this server.
func (s *Server) provenance(c echo.Context, _ schema.Values) error {
	p, err := s.service.Provenance()
	if err != nil {
		return err
	}
	sources, err := s.service.SourceOrigins()
	if err != nil {
		return err
	}
	return reply(c, func(e *encoder) { e.provenance(p, sources, s.options.Version) })
}

func (e *encoder) provenance(p engine.Provenance, sources []engine.SourceOrigin, version string) {
	e.begin('{')
	e.key("version").text(version)
	e.key("go").text(runtime.Version())
	e.key("platform").text(fmt.Sprintf("%s/%s", runtime.GOOS, runtime.GOARCH))
	e.key("device").text(p.Device)
	e.key("cpuPath").unlessEmpty(p.CPUPath)
	e.key("threads").integer(p.Threads)
	e.key("dtype").text(p.DType)
	e.key("saeDtype").text(p.SourceDType)
	e.key("arithmetic").text(p.Arithmetic)
	e.key("model").begin('{')
	e.origin(p.Model)
	array(e.key("files"), p.Files, func(f engine.WeightFile) {
		e.begin('{')
		e.key("path").text(f.Path)
		e.key("bytes").integer(int(f.Bytes))
		e.exactKey("sha256").unlessEmpty(f.SHA256)
		e.end('}')
	})
	e.end('}')
	if e.key("jacobianLens"); p.Lens == nil {
		e.null()
	} else {
		e.begin('{')
		e.origin(p.Lens.Origin)
		e.key("path").text(p.Lens.Path)
		e.end('}')
	}
	array(e.key("sources"), sources, func(source engine.SourceOrigin) {
		e.begin('{')
		e.key("id").text(source.ID)
		e.origin(source.Origin)
		e.key("path").text(source.Path)
		e.end('}')
	})
	e.end('}')
}

// origin writes the keys of an origin into an object.
func (e *encoder) origin(o engine.Origin) {
	e.key("repository").text(o.Name)
	e.key("commit").unlessEmpty(o.Commit)
}

// unlessEmpty writes a text, or null for none.
func (e *encoder) unlessEmpty(s string) {
	if s == "" {
		e.null()
		return
	}
	e.text(s)
}
