package engine

// VectorRequest asks for the direction a feature reads. Index is a whole number in decimal
// digits, which may be larger than any integer of the machine.
type VectorRequest struct {
	Source, Index string
}

// VectorResult is an encoder direction after folding and the hook its source reads.
type VectorResult struct {
	Vector []float32
	Hook   string // TransformerLens name, as the source's configuration spells it
}

// FeatureID names a feature in a request; Index as in VectorRequest.
type FeatureID struct {
	Source, Index string
}

// NeighboursRequest asks for the features of Source whose decoder directions are most similar
// to those of Feature or to Vector; exactly one of the two is not nil.
type NeighboursRequest struct {
	Source  string
	Feature *FeatureID
	Vector  []float64
	Results int // how many; the engine clamps to 1 and its maximum
}

// Neighbour is a feature with its cosine similarity, in [-1, 1] up to rounding.
type Neighbour struct {
	Index  int
	Cosine float32
}

// SimilarityRequest asks how similar a temporal source predicts the tokens of a text to be.
type SimilarityRequest struct {
	Source, Text string
}

// SimilarityResult holds cosine similarities, [tokens][tokens], without the BOS in front.
type SimilarityResult struct {
	Matrix [][]float32
	Tokens []string
}
