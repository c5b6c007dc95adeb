package server

import (
	"strconv"

	"npinf/engine"
)

// The answers, key by key in the order of the reference. Keys without a value are null, never
// left out.

func (e *encoder) tokenized(t engine.Tokenized) {
	e.begin('{')
	e.key("tokens").integers(t.IDs)
	e.key("tokenStrings").texts(t.Strings)
	e.key("prependBos").boolean(t.PrependBOS)
	e.end('}')
}

func (e *encoder) single(r engine.SingleResult) {
	e.begin('{')
	e.key("activation").begin('{')
	e.key("values").numbers32(r.Values)
	e.key("maxValue").number32(r.Max)
	e.key("maxValueIndex").integer(r.MaxIndex)
	if d := r.DFA; d != nil {
		e.key("dfaValues").numbers32(d.Values)
		e.key("dfaMaxValue").number32(d.Max)
		e.key("dfaTargetIndex").integer(d.Target)
	} else {
		e.nulls("dfaValues", "dfaMaxValue", "dfaTargetIndex")
	}
	e.end('}')
	e.key("tokens").texts(r.Tokens)
	e.key("tokensIsSpecial").booleans(r.Special)
	e.end('}')
}

func (e *encoder) nulls(keys ...string) {
	for _, key := range keys {
		e.key(key).null()
	}
}

func (e *encoder) all(r engine.AllResult) {
	e.begin('{')
	array(e.key("activations"), r.Features, e.feature)
	e.key("tokens").texts(r.Tokens)
	e.nulls("counts")
	e.end('}')
}

func (e *encoder) feature(f engine.FeatureActivation) {
	e.begin('{')
	e.key("source").text(f.Source)
	e.key("index").integer(f.Index)
	e.key("values").numbers32(f.Values)
	e.key("sumValues").number32(f.Sum)
	e.key("maxValue").number32(f.Max)
	e.key("maxValueIndex").integer(f.MaxIndex)
	if d := f.DFA; d != nil {
		e.key("dfaValues").numbers32(d.Values)
		e.key("dfaTargetIndex").integer(d.Target)
		e.key("dfaMaxValue").number32(d.Max)
	} else {
		e.nulls("dfaValues", "dfaTargetIndex", "dfaMaxValue")
	}
	e.end('}')
}

func (e *encoder) topK(r engine.TopKResult) {
	tokens := make([]string, len(r.Positions))
	e.begin('{')
	e.key("results").begin('[')
	for i, p := range r.Positions {
		tokens[i] = p.Token
		e.begin('{')
		e.key("tokenPosition").integer(p.Position)
		e.key("token").text(p.Token)
		e.key("isSpecial").boolean(p.Special)
		array(e.key("topFeatures"), p.Features, e.featureValue)
		e.end('}')
	}
	e.end(']')
	e.key("tokens").texts(tokens)
	e.end('}')
}

func (e *encoder) featureValue(f engine.FeatureValue) {
	e.begin('{')
	e.key("featureIndex").integer(f.Index)
	e.key("activationValue").number32(f.Value)
	e.end('}')
}

func (e *encoder) source(r engine.SourceResult) {
	e.begin('{')
	e.key("tokens").texts(r.Tokens)
	e.both("activeFeatures", func() { e.activeFeatures(r.Features) })
	e.end('}')
}

func (e *encoder) activeFeatures(features []engine.ActiveFeature) {
	e.begin('{')
	for _, f := range features {
		array(e.exactKey(strconv.Itoa(f.Index)), f.Values, func(v engine.TokenValue) {
			e.begin('[')
			e.integer(v.Position)
			e.number(v.Value)
			e.end(']')
		})
	}
	e.end('}')
}

func (e *encoder) raw(hookPoint, kind string, r engine.RawResult) {
	e.begin('{')
	e.key("hookPoint").text(hookPoint)
	e.key("type").text(kind)
	e.key("dtype").text(r.DType)
	e.key("device").text(r.Device)
	array(e.key("results"), r.Prompts, e.rawPrompt)
	e.end('}')
}

func (e *encoder) rawPrompt(p engine.RawPrompt) {
	e.begin('{')
	e.key("tokenStrings").texts(p.Strings)
	e.key("tokenIds").integers(p.IDs)
	array(e.key("activations"), p.Layers, func(l engine.LayerRows) {
		e.begin('{')
		e.key("layer").integer(l.Layer)
		e.key("tokenIndices").integers(l.Positions)
		array(e.key("values"), l.Values, e.numbers)
		e.end('}')
	})
	e.end('}')
}

func (e *encoder) attention(r engine.AttentionResult) {
	e.begin('{')
	e.key("seqLen").integer(r.Length)
	e.key("attentionIndices").integers(r.Indices)
	e.key("attentionValues").numbers(r.Values)
	e.key("maxActivation").number(r.Max)
	e.key("tokens").texts(r.Tokens)
	e.end('}')
}
