package engine

import (
	"context"
	"errors"
	"fmt"
)

// invalid makes the error for a client's mistake.
func invalid(format string, arguments ...any) *Error {
	return &Error{Code: Invalid, Message: fmt.Sprintf(format, arguments...)}
}

// failure gives an error from below a code: the caller going away is Canceled, an *Error
// keeps its own, and anything else is a defect whose text only the log sees.
func failure(err error) error {
	var known *Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &known):
		return known
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return &Error{Code: Canceled, Message: "The request was cancelled", Cause: err}
	}
	return &Error{Code: Internal, Message: "An error occurred while processing the request", Cause: err}
}

// errNonFinite says which part of an answer came out as NaN or infinity.
func errNonFinite(what string) *Error {
	return &Error{Code: NonFinite, Message: fmt.Sprintf("The result is not finite: %s holds NaN or infinity", what)}
}
