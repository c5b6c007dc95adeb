package server

import "npinf/internal/schema"

// Short names, so that the tables below read as tables.
var (
	text, integer, number, boolean        = schema.Text, schema.Integer, schema.Number, schema.Boolean
	laxInteger, laxNumber, laxBoolean     = schema.LaxInteger, schema.LaxNumber, schema.LaxBoolean
	texts, integers, numbers              = schema.List(text), schema.List(integer), schema.List(number)
	required, optional, defaulted, fields = schema.Required, schema.Optional, schema.Defaulted, schema.New
)

// Defaults of the reference.
const (
	defaultResults = 25
	defaultTopK    = 5
)

// The request bodies, field by field in the order in which errors are reported. Scalars are
// strict except where a type says lax: the reference's schemas are of two minds.
var (
	tokenizeRequest = fields(
		required("model", text),
		required("text", text),
		optional("prependBos", boolean.Nullable()),
	)
	chatTemplateRequest = fields(
		required("messages", schema.List(schema.Nested(chatMessage))),
		defaulted("addGenerationPrompt", laxBoolean, true),
		optional("chatTemplateKwargs", schema.Dictionary),
	)
	chatMessage = fields(
		required("role", text),
		required("content", text),
		optional("channel", text.Nullable()),
	)
)

// Activations.
var (
	singleRequest      = fields(append(promptAndModel(), direction()...)...)
	singleBatchRequest = fields(append(promptsAndModel(), direction()...)...)
	allRequest         = fields(append(promptAndModel(), selection()...)...)
	allBatchRequest    = fields(append(promptsAndModel(), selection()...)...)
	topKRequest        = fields(append(promptAndModel(), perToken()...)...)
	topKBatchRequest   = fields(append(promptsAndModel(), perToken()...)...)
	sourceRequest      = fields(append(promptsAndModel(), required("source", text))...)
	rawRequest         = fields(
		required("prompts", texts),
		optional("layers", schema.List(laxInteger.Literal()).Nullable()),
		optional("model", text.Nullable()),
		defaulted("hookPoint", text, "residual_stream"),
		defaulted("type", text, "final_output_token"),
	)
	attentionRequest = fields(append(promptAndModel(), required("layer", laxInteger.Literal()), required("head", laxInteger.Literal()))...)
)

func promptAndModel() []schema.Field {
	return []schema.Field{required("prompt", text), required("model", text)}
}

func promptsAndModel() []schema.Field {
	return []schema.Field{required("prompts", texts), required("model", text)}
}

// direction is a feature of a source, or a vector at a hook.
func direction() []schema.Field {
	return []schema.Field{
		optional("source", text.Nullable()),
		optional("index", text.Nullable()),
		optional("vector", numbers.Nullable()),
		optional("hook", text.Nullable()),
	}
}

// selection is a set of sources and how to rank their features.
func selection() []schema.Field {
	return []schema.Field{
		required("sourceSet", text),
		required("selectedSources", texts),
		required("sortByTokenIndexes", integers),
		required("ignoreBos", boolean),
		defaulted("numResults", integer.Nullable(), defaultResults),
	}
}

func perToken() []schema.Field {
	return []schema.Field{
		required("source", text),
		defaulted("topK", integer.Nullable(), defaultTopK),
		required("ignoreBos", boolean),
	}
}

// Sources.
var (
	feature       = fields(required("model", text), required("source", text), required("index", integer.Literal()))
	vectorRequest = feature

	neighboursRequest = fields(
		optional("feature", schema.Nested(feature).Nullable()),
		optional("vector", numbers.Nullable()),
		required("model", text),
		required("source", text),
		required("numResults", integer),
	)
	similarityRequest = fields(
		schema.Field{Name: "modelId", Type: text, Required: true, CamelOnly: true},
		schema.Field{Name: "sourceId", Type: text, Required: true, CamelOnly: true},
		required("index", laxInteger),
		required("text", text),
	)
)

// Steering.
var (
	steerMethod = schema.Choice("SIMPLE_ADDITIVE", "ORTHOGONAL_DECOMP", "PROJECTION_CAP")
	steerType   = schema.Choice("STEERED", "DEFAULT")

	steerFeature = fields(
		required("model", text),
		required("source", text),
		required("index", integer.Literal()),
		required("strength", number),
		optional("steeringVector", numbers.Nullable()),
	)
	steerVector = fields(
		required("steeringVector", numbers),
		required("strength", number),
		required("hook", text),
	)
	steerMessage = fields(required("content", text), required("role", text))

	steerRequest     = fields(append([]schema.Field{required("prompt", text)}, steering()...)...)
	steerChatRequest = fields(append(append([]schema.Field{
		required("prompt", schema.List(schema.Nested(steerMessage))),
	}, steering()...),
		required("steerSpecialTokens", boolean),
		defaulted("isAssistantAxis", boolean.Nullable(), false),
	)...)
)

func steering() []schema.Field {
	return []schema.Field{
		required("model", text),
		required("steerMethod", steerMethod),
		required("normalizeSteering", boolean),
		required("types", schema.List(steerType).AtLeastItems(1)),
		optional("features", schema.List(schema.Nested(steerFeature)).Nullable()),
		optional("vectors", schema.List(schema.Nested(steerVector)).Nullable()),
		required("nCompletionTokens", integer.AtLeast(1)),
		required("temperature", number.AtLeast(0)),
		required("strengthMultiplier", number),
		required("freqPenalty", number),
		required("seed", number),
		defaulted("stream", boolean.Nullable(), false),
		defaulted("nLogprobs", integer.AtLeast(0).AtMost(10).Nullable(), 0),
	}
}

// Lens.
var (
	lensType    = schema.Choice("LOGIT_LENS", "JACOBIAN_LENS")
	lensToken   = fields(required("token", text), required("type", lensType))
	lensMessage = fields(required("role", text), required("content", text))

	lensRequest = fields(
		required("model", text),
		required("type", schema.List(lensType)),
		optional("prompt", text.Nullable()),
		optional("chat", schema.List(schema.Nested(lensMessage)).Nullable()),
		defaulted("topN", laxInteger, 10),
		optional("layers", schema.List(laxInteger)),
		optional("maxSeqLen", laxInteger.Nullable()),
		defaulted("prependBos", laxBoolean, true),
		defaulted("enableThinking", laxBoolean, false),
		defaulted("preserveThinking", laxBoolean, true),
		defaulted("stream", laxBoolean, true),
		defaulted("temperature", laxNumber, 1.0),
		defaulted("numCompletionTokens", laxInteger, 0),
		optional("cachedTokenIds", schema.List(laxInteger)),
		optional("inputTokenIds", schema.List(laxInteger)),
		optional("steerTokens", schema.List(schema.Nested(lensToken))),
		optional("steerLayers", schema.List(laxInteger)),
		defaulted("steerStrength", laxNumber, 0.0),
		defaulted("steerAblate", laxBoolean, false),
		optional("swapToken", schema.Nested(lensToken).Nullable()),
		defaulted("steerGeneratedTokens", laxBoolean, false),
		defaulted("filterNonWordTokens", laxBoolean, true),
		defaulted("failIfBusy", laxBoolean, false),
		schema.Field{Name: "seed", Type: laxInteger.Nullable(), Extra: true},
	)
)
