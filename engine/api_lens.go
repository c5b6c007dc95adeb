package engine

// LensType is a way to read tokens out of a residual.
type LensType string

// The lenses.
const (
	LogitLens    LensType = "LOGIT_LENS"    // decodes it as it is
	JacobianLens LensType = "JACOBIAN_LENS" // carries it to the last layer first, where that is fitted
)

// LensToken names a token, by its text, whose direction steers; Type says in which lens.
type LensToken struct {
	Text string
	Type LensType
}

// LensRequest asks what a model thinks at each position and layer. Exactly one of Prompt,
// Chat and InputIDs says where.
type LensRequest struct {
	Types    []LensType
	Prompt   *string
	Chat     []Message // nil for none
	InputIDs []int     // taken as they are; nothing is generated behind them
	// CachedIDs is what the client has been told of already: positions at the beginning that
	// agree with it are not told again, unless something steers.
	CachedIDs []int

	Top         int   // tokens per layer
	Layers      []int // empty = all there are; the last one is always read
	MaxLength   int   // positions of the prompt that count; 0 = all
	PrependBOS  bool
	Thinking    bool // of the chat template
	Preserve    bool // earlier thinking, of the chat template
	WordsOnly   bool
	Completion  int     // tokens to generate
	Temperature float64 // 0 takes the likeliest token
	Seed        *int    // nil for a seed of chance

	SteerTokens    []LensToken
	SteerLayers    []int // empty = the layers that are read
	SteerStrength  float64
	SteerAblate    bool
	SwapToken      *LensToken
	SteerGenerated bool // generated positions, too

	// FailIfBusy refuses instead of waiting for a slot.
	FailIfBusy bool
}

// LensFrame is one piece of an answer; exactly one field is set. The order is Meta, Prompt, a
// Reading for each position that is told, Done.
type LensFrame struct {
	Meta    *LensMeta
	Prompt  []LensPosition
	Reading *LensReading
	Done    *LensDone
}

// LensMeta says what will be read.
type LensMeta struct {
	Types        []LensType
	Layers       [][]int // by type, ascending
	Top          int
	PromptLength int
	Completion   int // tokens that may be generated
	Temperature  float64
	PrependBOS   bool
	Reused       int // positions at the beginning that are not told again
}

// LensPosition is a token with its place in the conversation.
type LensPosition struct {
	Position  int
	ID        int
	Text      string // a character made of several tokens stands at each of them
	Generated bool
	// Continuation marks the tokens of such a character after its first one.
	Continuation bool
	Span
}

// Span is the place of a token in a conversation; nil where it has none.
type Span struct {
	Message                *int
	Role, Channel, Section *string
}

// LensChoice is a token that a residual stands for. Probability, among all tokens, is rounded
// to four decimals.
type LensChoice struct {
	Text        string
	Probability float64
}

// LensReading is what one position was read as: by type, then layer, best first.
type LensReading struct {
	LensPosition
	Types   []LensType
	Choices [][][]LensChoice
}

// LensDone ends an answer. Length counts all positions, also those not told again.
type LensDone struct {
	Length, PromptLength, Vocabulary int
	Completion                       string
}

// LensUnavailable says why there is no Jacobian lens: "not_loaded", "skipped" or "error",
// with its detail, "" for none.
type LensUnavailable struct{ Status, Detail string }

// Error says the same for every cause.
func (e *LensUnavailable) Error() string { return "Jacobian lens is not available for this model" }
