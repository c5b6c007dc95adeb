package jinja

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
)

// maxJSONDepth bounds how deeply arrays and objects nest in a document.
const maxJSONDepth = 500

// ParseJSON reads a JSON document as Python's json.loads does: objects keep the order of
// their keys, 5 and 5.0 differ.
func ParseJSON(document []byte) (Value, error) {
	r := &jsonReader{decoder: json.NewDecoder(strings.NewReader(string(document)))}
	r.decoder.UseNumber()
	value, err := r.value()
	if err == nil {
		if _, more := r.decoder.Token(); more != io.EOF {
			err = errors.New("something follows the value")
		}
	}
	if err != nil {
		return nil, fmt.Errorf("JSON: %w", err)
	}
	return value, nil
}

// jsonReader turns the tokens of a document into values.
type jsonReader struct {
	decoder *json.Decoder
	depth   int
}

func (r *jsonReader) value() (Value, error) {
	t, err := r.decoder.Token()
	if err != nil {
		return nil, err
	}
	switch t := t.(type) {
	case json.Delim:
		if r.depth++; r.depth > maxJSONDepth {
			return nil, fmt.Errorf("nested more than %d deep", maxJSONDepth)
		}
		defer func() { r.depth-- }()
		if t == '[' {
			return r.list()
		}
		return r.dict()
	case json.Number:
		return parseNumber(string(t))
	}
	return t, nil
}

func parseNumber(text string) (Value, error) {
	if integer, err := strconv.ParseInt(text, 10, 64); err == nil {
		return integer, nil
	}
	if !strings.ContainsAny(text, ".eE") {
		return nil, fmt.Errorf("the integer %s needs more than 64 bits", text)
	}
	float, err := strconv.ParseFloat(text, 64)
	if err != nil && !math.IsInf(float, 0) {
		return nil, err
	}
	return float, nil
}

func (r *jsonReader) list() (Value, error) {
	list := List{}
	for r.decoder.More() {
		item, err := r.value()
		if err != nil {
			return nil, err
		}
		list = append(list, item)
	}
	_, err := r.decoder.Token()
	return list, err
}

func (r *jsonReader) dict() (Value, error) {
	dict := NewDict()
	for r.decoder.More() {
		key, err := r.decoder.Token()
		if err != nil {
			return nil, err
		}
		value, err := r.value()
		if err != nil {
			return nil, err
		}
		dict.Set(key.(string), value) // the decoder lets nothing else stand there
	}
	_, err := r.decoder.Token()
	return dict, err
}
