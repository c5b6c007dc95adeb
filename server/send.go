package server

import (
	"strconv"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/labstack/echo/v4"
)

const (
	jsonType = "application/json"
	textType = "text/plain; charset=utf-8"
	htmlType = "text/html; charset=utf-8"
)

// As in the reference: bodies from this size on are compressed, at this level.
const (
	gzipFrom  = 1000 // bytes
	gzipLevel = 6
)

// send writes a whole answer, compressed where that pays and the client takes it. The word
// gzip anywhere in Accept-Encoding counts, its quality does not.
func send(c echo.Context, status int, contentType string, body []byte) error {
	response := c.Response()
	header := response.Header()
	header.Set(echo.HeaderContentType, contentType)
	compress := false
	if len(body) >= gzipFrom {
		header.Add(echo.HeaderVary, echo.HeaderAcceptEncoding)
		accepted := strings.Join(c.Request().Header.Values(echo.HeaderAcceptEncoding), ",")
		compress = strings.Contains(accepted, "gzip")
	}
	if !compress {
		header.Set(echo.HeaderContentLength, strconv.Itoa(len(body)))
		response.WriteHeader(status)
		_, err := response.Write(body)
		return err
	}
	header.Set(echo.HeaderContentEncoding, "gzip")
	response.WriteHeader(status)
	packed, err := gzip.NewWriterLevel(response, gzipLevel)
	if err != nil {
		return err
	}
	if _, err := packed.Write(body); err != nil {
		return err
	}
	return packed.Close()
}
