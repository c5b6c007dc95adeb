package lens

import (
	"cmp"
	"context"
	"errors"
	"math"

	"npinf/kernels"
	"npinf/model"
)

// Token is a token that a residual stands for, with its probability among all tokens.
type Token struct {
	ID          int
	Probability float64
}

// Layer is one layer to be read.
type Layer struct {
	Index   int
	Carried bool // by the Jacobian lens
	Last    bool // keeps its likeliest token even where only words are wanted
}

// Reader turns residuals into tokens.
type Reader struct {
	Device   kernels.Device
	Model    *model.Model
	Jacobian *Jacobian // nil without a lens
	// Words leaves out all tokens that are no words; nil reads every token.
	Words *Vocabulary
	Top   int // tokens per layer
	// Rows is how many rows of logits are in memory at a time; 0 for those that fit into 32 MiB.
	Rows int
	// Claim waits for the memory of logits, in bytes; nil takes it at once.
	Claim func(ctx context.Context, bytes int64) (giveBack func(), err error)
}

// ErrNonFinite says that logits came out as NaN or infinity.
var ErrNonFinite = errors.New("the logits of a lens hold NaN or infinity")

// LogitBytes bounds the logits of one pass of the output matrix: enough rows for the product
// to run at full speed, few enough for them to stay in the cache until they are ranked.
const LogitBytes = 32 << 20

func (r *Reader) rows() int {
	return max(1, cmp.Or(r.Rows, LogitBytes/4/max(1, r.Model.Info().Vocabulary)))
}

// Positions is how many positions of so many layers Read can decode in one pass, at least one.
func (r *Reader) Positions(layers int) int { return max(1, r.rows()/max(1, layers)) }

// Read decodes the residuals of some layers, one [positions, d_model] buffer each, all of one
// height. The result is by layer, then position: the likeliest tokens, best first, by id
// among equals.
func (r *Reader) Read(ctx context.Context, layers []Layer, residuals []kernels.Buffer) ([][][]Token, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	positions, width := residuals[0].Rows, residuals[0].Width
	stack := r.Device.NewBuffer(len(layers)*positions, width)
	defer r.Device.Release(stack)
	for i, layer := range layers {
		part := r.Device.View(stack, i*positions, positions, 0, width)
		if layer.Carried && r.Jacobian.Fits(layer.Index) {
			r.Jacobian.carry(part, residuals[i], layer.Index)
		} else {
			r.Device.Copy(part, residuals[i])
		}
	}
	result := make([][][]Token, len(layers))
	step := max(1, r.rows()/positions)
	for i := 0; i < len(layers); i += step {
		some := layers[i:min(i+step, len(layers))]
		if err := r.decode(ctx, result[i:], some, r.Device.View(stack, i*positions, len(some)*positions, 0, width)); err != nil {
			return nil, err
		}
	}
	return result, nil
}

// decode reads the rows of some layers in one product with the output matrix.
func (r *Reader) decode(ctx context.Context, result [][][]Token, layers []Layer, rows kernels.Buffer) (err error) {
	if r.Claim != nil {
		giveBack, err := r.Claim(ctx, 4*int64(rows.Rows)*int64(r.Model.Info().Vocabulary))
		if err != nil {
			return err
		}
		defer giveBack()
	}
	logits := r.Model.Decode(rows)
	defer r.Device.Release(logits)
	positions := rows.Rows / len(layers)
	for i, layer := range layers {
		if result[i], err = r.rank(r.Device.View(logits, i*positions, positions, 0, logits.Width), layer.Last); err != nil {
			return err
		}
	}
	return nil
}

// rank gives the likeliest tokens of each row. The logits may be changed.
func (r *Reader) rank(logits kernels.Buffer, last bool) ([][]Token, error) {
	sums := r.Device.LogSumExp(logits)
	for _, sum := range sums {
		if math.IsNaN(sum) || math.IsInf(sum, 0) {
			return nil, ErrNonFinite
		}
	}
	ranked := r.words(logits, last)
	tokens := make([][]Token, len(ranked))
	for i, row := range ranked {
		tokens[i] = make([]Token, len(row))
		for n, v := range row {
			tokens[i][n] = Token{v.Feature, math.Exp(float64(v.Value) - sums[i])}
		}
	}
	return tokens, nil
}

// words ranks the logits of each row, words alone if only they are wanted. Looking through a few
// more tokens than asked for spares a pass over all logits, unless a row has too few words among
// those. The logits may be changed.
func (r *Reader) words(logits kernels.Buffer, last bool) [][]kernels.FeatureValue {
	if r.Words == nil || r.Top == 0 {
		return r.Device.TopPerRow(logits, r.Top)
	}
	likeliest := r.Device.TopPerRow(logits, 2*r.Top+16)
	ranked := make([][]kernels.FeatureValue, len(likeliest))
	enough := true
	for i, row := range likeliest {
		ranked[i] = r.onlyWords(row)
		enough = enough && len(ranked[i]) == r.Top
	}
	if !enough {
		r.hide(logits)
		ranked = r.Device.TopPerRow(logits, r.Top)
	}
	if last {
		for i, row := range likeliest {
			ranked[i] = first(row[0], ranked[i])
		}
	}
	return ranked
}

// onlyWords keeps the first words of a ranking, as many as are wanted.
func (r *Reader) onlyWords(row []kernels.FeatureValue) []kernels.FeatureValue {
	words := make([]kernels.FeatureValue, 0, r.Top)
	for _, v := range row {
		if len(words) < r.Top && r.isWord(v.Feature) {
			words = append(words, v)
		}
	}
	return words
}

func (r *Reader) isWord(id int) bool { return id < len(r.Words.words) && r.Words.words[id] }

// hide makes every token that is no word the least likely.
func (r *Reader) hide(logits kernels.Buffer) {
	penalties := make([]float32, logits.Width)
	for id := range penalties {
		if !r.isWord(id) {
			penalties[id] = -math.MaxFloat32
		}
	}
	row := r.Device.Upload(1, len(penalties), penalties)
	defer r.Device.Release(row)
	r.Device.AddRow(logits, logits, row, 1)
}

// first puts the likeliest token in front of a ranking that it may already lead, or that may
// have it somewhere behind.
func first(best kernels.FeatureValue, row []kernels.FeatureValue) []kernels.FeatureValue {
	out := append(make([]kernels.FeatureValue, 0, len(row)+1), best)
	for _, v := range row {
		if v.Feature != best.Feature {
			out = append(out, v)
		}
	}
	return out[:len(row)]
}
