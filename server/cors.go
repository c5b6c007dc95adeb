package server

import (
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"
)

var corsMethods = []string{"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"}

// allowOrigins lets pages of any origin call the API: it answers preflights, which carry no
// secret, and marks every other answer to a request with an Origin, errors included.
func (s *Server) allowOrigins(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		request := c.Request()
		if _, ok := request.Header[echo.HeaderOrigin]; !ok {
			return next(c)
		}
		c.Response().Header().Set(echo.HeaderAccessControlAllowOrigin, "*")
		wanted := request.Header[echo.HeaderAccessControlRequestMethod]
		if request.Method != http.MethodOptions || len(wanted) == 0 {
			return next(c)
		}
		return preflight(c, wanted[0])
	}
}

func preflight(c echo.Context, method string) error {
	request, header := c.Request().Header, c.Response().Header()
	header.Set(echo.HeaderAccessControlAllowMethods, strings.Join(corsMethods, ", "))
	header.Set(echo.HeaderAccessControlMaxAge, "600")
	if names := request[echo.HeaderAccessControlRequestHeaders]; len(names) > 0 {
		header.Set(echo.HeaderAccessControlAllowHeaders, names[0])
	}
	var refused []string
	if !slices.Contains(corsMethods, method) {
		refused = append(refused, "method")
	}
	if _, ok := request["Access-Control-Request-Private-Network"]; ok {
		refused = append(refused, "private-network")
	}
	if len(refused) > 0 {
		return send(c, http.StatusBadRequest, textType, []byte("Disallowed CORS "+strings.Join(refused, ", ")))
	}
	return send(c, http.StatusOK, textType, []byte("OK"))
}
