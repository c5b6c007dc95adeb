package engine

import "npinf/chat"

// SteerMethod is what steering does with a direction.
type SteerMethod string

// The methods, by the names of the interface. c is strength times multiplier, u the direction
// at length 1, h a row.
const (
	SimpleAdditive  SteerMethod = "SIMPLE_ADDITIVE"   // h + c·v
	OrthogonalParts SteerMethod = "ORTHOGONAL_DECOMP" // h + (c-1)·(h·u)·u
	ProjectionCap   SteerMethod = "PROJECTION_CAP"    // h + (min(h·u, c) - h·u)·u
)

// SteerType says which of the two generations an output is.
type SteerType string

// The types.
const (
	Steered   SteerType = "STEERED"
	Unsteered SteerType = "DEFAULT"
)

// SteerFeature steers along the decoder direction of a feature; Index as in VectorRequest.
type SteerFeature struct {
	Source, Index string
	Strength      float64
}

// SteerVector steers along a direction at a hook.
type SteerVector struct {
	Vector   []float64
	Strength float64
	Hook     string // TransformerLens name
}

// Steering is what both steering requests say about steering and generating. Exactly one of
// Features and Vectors is not nil; it may be empty.
type Steering struct {
	Method           SteerMethod
	Normalize        bool // directions at length 1 before the strength
	Types            []SteerType
	Features         []SteerFeature
	Vectors          []SteerVector
	Multiplier       float64 // of all strengths
	Tokens           int     // to generate at most
	Temperature      float64 // 0 takes the likeliest token
	Seed             float64 // its whole part counts
	FrequencyPenalty float64 // per earlier occurrence; counts with a temperature only
	Logprobs         int     // alternatives told per token, 0 for none
}

// SteerRequest asks to continue a text.
type SteerRequest struct {
	Prompt string
	Steering
}

// SteerFrame is the state of an answer: one output per requested type, in that order.
type SteerFrame struct {
	Outputs []SteerOutput
}

// SteerOutput is the text generated so far, without the prompt. Logprobs is filled in the
// last frame only, when they were asked for.
type SteerOutput struct {
	Type     SteerType
	Text     string
	Logprobs []TokenLogprob
}

// TokenLogprob is a generated token with its log-probability and the likeliest tokens in its
// place, best first.
type TokenLogprob struct {
	Token   string
	Logprob float32
	Top     []TokenChoice
}

// TokenChoice is a token that could have been generated.
type TokenChoice struct {
	Token   string
	Logprob float32
}

// Message is one message of a conversation. Its channel is for chat templates only.
type Message = chat.Message

// TemplateRequest asks for a conversation as the model reads it.
type TemplateRequest struct {
	Messages []Message
	// Generation ends the text with the head of the assistant's next turn.
	Generation bool
	Arguments  []byte // of the template, a JSON object; nil for none
}

// Rendered is a conversation as the model reads it. Labels say what each token is.
type Rendered struct {
	Prompt  string
	IDs     []int
	Strings []string
	Labels  []Label
}

// Label says what a token is in its conversation.
type Label = chat.Label

// Section is the part of a turn that a token belongs to.
type Section = chat.Section

// SteerChatRequest asks to answer a conversation.
type SteerChatRequest struct {
	Messages []Message
	Steering
	// SpecialTokens steers the special tokens of the prompt, too.
	SpecialTokens bool
	// AssistantAxis asks for the persona of each assistant message.
	AssistantAxis bool
}

// ChatFrame is the state of an answer to a conversation.
type ChatFrame struct {
	Axis    []AxisResult // nil but in the last frame, and where the model has no axis
	Outputs []ChatOutput // one per requested type, in that order
	Input   []Message    // the conversation
	Prompt  string       // the conversation as the model reads it
}

// ChatOutput is a conversation with what was generated so far; Raw is the same as the model
// sees it, prompt included.
type ChatOutput struct {
	Type     SteerType
	Messages []Message
	Raw      string
	Logprobs []TokenLogprob
}

// AxisResult places the assistant messages of one output on the persona axes.
type AxisResult struct {
	Type   SteerType
	Titles []string // of the axes
	Turns  []AxisTurn
}

// AxisTurn is one assistant message: its values on the axes, before and after steering.
// Steered is nil where nothing was steered.
type AxisTurn struct {
	Values, Steered []float32
	Snippet         string // beginning of the message
}
