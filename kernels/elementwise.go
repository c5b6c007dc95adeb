package kernels

import "math"

// operands are those of an elementwise operation: dst = a ∘ b, with a function or factors.
type operands struct {
	dst, a, b Buffer
	f         Activation
	s         float32
}

// Activate computes dst = f(src). dst may be src.
func (c *CPU) Activate(dst, src Buffer, f Activation) {
	mustMatch(sameShape(dst, src), "activate", dst.Rows, dst.Width, src.Rows, src.Width)
	eachRow(c, src.Rows, src.Width*8, operands{dst: dst, a: src, f: f}, activateRows)
}

func activateRows(c *CPU, o operands, lo, hi int) {
	for r := lo; r < hi; r++ {
		c.activate(o.dst.row(r), o.a.row(r), o.f)
	}
}

// Gate computes dst = f(gate) · up. dst may be an operand.
func (c *CPU) Gate(dst, gate, up Buffer, f Activation) {
	mustMatch(sameShape(dst, gate) && sameShape(dst, up), "gate", dst.Rows, dst.Width, gate.Width, up.Width)
	eachRow(c, dst.Rows, dst.Width*8, operands{dst: dst, a: gate, b: up, f: f}, gateRows)
}

func gateRows(c *CPU, o operands, lo, hi int) {
	s := c.takeScratch()
	defer c.giveScratch(s)
	activated := grown(&s.row, o.dst.Width)
	for r := lo; r < hi; r++ {
		c.activate(activated, o.a.row(r), o.f)
		if c.path == pathGeneric {
			mulGo(o.dst.row(r), activated, o.b.row(r))
		} else {
			mulRow(o.dst.row(r), activated, o.b.row(r))
		}
	}
}

// activate computes dst = f(src) on this device's path.
func (c *CPU) activate(dst, src []float32, f Activation) {
	if c.path == pathGeneric || f == Identity || f == ReLU {
		activateGo(dst, src, f)
		return
	}
	activateVector(dst, src, f)
}

// activateGo computes dst[i] = f(src[i]), through float64.
func activateGo(dst, src []float32, f Activation) {
	dst = dst[:len(src)]
	for i, v := range src {
		dst[i] = activated(v, f)
	}
}

// activated returns f(v).
func activated(v float32, f Activation) float32 {
	x := float64(v)
	switch f {
	case ReLU:
		return relu(v)
	case GELU:
		return float32(0.5 * x * math.Erfc(-x/math.Sqrt2))
	case GELUTanh:
		// 0.5·x·(1 + tanh(u)) = x·σ(2u)
		u := math.Sqrt(2/math.Pi) * (x + 0.044715*x*x*x)
		return float32(x / (1 + math.Exp(-2*u)))
	case SiLU:
		return float32(x / (1 + math.Exp(-x)))
	case QuickGELU:
		return float32(x / (1 + math.Exp(-1.702*x)))
	case Sigmoid:
		return float32(1 / (1 + math.Exp(-x)))
	}
	return v
}

// relu returns max(v, 0); a NaN stays a NaN.
func relu(v float32) float32 {
	if v > 0 || v != v {
		return v
	}
	return 0
}

// Add computes dst = a + b. dst may be an operand.
func (c *CPU) Add(dst, a, b Buffer) {
	mustMatch(sameShape(dst, a) && sameShape(dst, b), "add", dst.Rows, dst.Width, a.Rows, a.Width, b.Rows, b.Width)
	eachRow(c, dst.Rows, dst.Width, operands{dst: dst, a: a, b: b}, addRows)
}

func addRows(c *CPU, o operands, lo, hi int) {
	for r := lo; r < hi; r++ {
		if c.path == pathGeneric {
			addGo(o.dst.row(r), o.a.row(r), o.b.row(r))
		} else {
			addRow(o.dst.row(r), o.a.row(r), o.b.row(r))
		}
	}
}

// addGo computes dst[i] = a[i] + b[i].
func addGo(dst, a, b []float32) {
	a, b = a[:len(dst)], b[:len(dst)]
	for i := range dst {
		dst[i] = a[i] + b[i]
	}
}

// mulGo computes dst[i] = a[i] · b[i].
func mulGo(dst, a, b []float32) {
	a, b = a[:len(dst)], b[:len(dst)]
	for i := range dst {
		dst[i] = a[i] * b[i]
	}
}

// Scale computes dst = src · s. dst may be src.
func (c *CPU) Scale(dst, src Buffer, s float32) {
	mustMatch(sameShape(dst, src), "scale", dst.Rows, dst.Width, src.Rows, src.Width)
	eachRow(c, dst.Rows, dst.Width, operands{dst: dst, a: src, s: s}, scaleRows)
}

func scaleRows(_ *CPU, o operands, lo, hi int) {
	for r := lo; r < hi; r++ {
		y := o.dst.row(r)
		for i, v := range o.a.row(r) {
			y[i] = v * o.s
		}
	}
}

// Softcap computes dst = limit · tanh(src / limit). dst may be src.
func (c *CPU) Softcap(dst, src Buffer, limit float32) {
	mustMatch(sameShape(dst, src), "softcap", dst.Rows, dst.Width, src.Rows, src.Width)
	eachRow(c, dst.Rows, dst.Width*8, operands{dst: dst, a: src, s: limit}, softcapRows)
}

func softcapRows(c *CPU, o operands, lo, hi int) {
	for r := lo; r < hi; r++ {
		c.softcap(o.dst.row(r), o.a.row(r), o.s)
	}
}

// softcap computes dst = limit · tanh(src / limit) on this device's path.
func (c *CPU) softcap(dst, src []float32, limit float32) {
	if c.path == pathGeneric {
		softcapGo(dst, src, limit)
		return
	}
	softcapVector(dst, src, limit)
}

// softcapGo computes dst[i] = limit · tanh(src[i] / limit), through float64.
func softcapGo(dst, src []float32, limit float32) {
	dst = dst[:len(src)]
	for i, v := range src {
		dst[i] = float32(float64(limit) * math.Tanh(float64(v)/float64(limit)))
	}
}

// AddRow computes dst = src + s·row for every row of src, row being [1, Width]. dst may be src.
func (c *CPU) AddRow(dst, src, row Buffer, s float32) {
	mustMatch(sameShape(dst, src) && row.Rows == 1 && row.Width == src.Width, "add row",
		dst.Rows, dst.Width, src.Rows, src.Width, row.Rows, row.Width)
	eachRow(c, dst.Rows, dst.Width, operands{dst: dst, a: src, b: row, s: s}, addRowRows)
}

func addRowRows(c *CPU, o operands, lo, hi int) {
	for r := lo; r < hi; r++ {
		y, x := o.dst.row(r), o.a.row(r)
		if o.s == 1 && c.path != pathGeneric {
			addRow(y, x, o.b.row(0))
			continue
		}
		for i, v := range o.b.row(0) {
			y[i] = x[i] + o.s*v
		}
	}
}

// Rotate applies a rotary embedding to x [rows, Heads·HeadDim] in place.
func (c *CPU) Rotate(x Buffer, r Rotation) {
	half := r.RotaryDim / 2
	mustMatch(x.Width == r.Heads*r.HeadDim && r.RotaryDim%2 == 0 && r.RotaryDim <= r.HeadDim,
		"rotate", x.Width, r.Heads, r.HeadDim, r.RotaryDim)
	mustMatch(r.Cos.Rows == x.Rows && r.Sin.Rows == x.Rows && r.Cos.Width == half && r.Sin.Width == half,
		"rotate angles", x.Rows, half, r.Cos.Rows, r.Cos.Width, r.Sin.Rows, r.Sin.Width)
	eachRow(c, x.Rows, x.Width, rotation{r, x}, rotateRows)
}

// rotation is a Rotation of x.
type rotation struct {
	Rotation
	x Buffer
}

func rotateRows(c *CPU, r rotation, lo, hi int) {
	for row := lo; row < hi; row++ {
		cos, sin, values := r.Cos.row(row), r.Sin.row(row), r.x.row(row)
		for h := range r.Heads {
			head := values[h*r.HeadDim : h*r.HeadDim+r.RotaryDim]
			switch {
			case r.Interleaved:
				rotatePairs(head, cos, sin)
			case c.path == pathGeneric:
				rotateHalves(head, cos, sin)
			default:
				rotateHead(head, cos, sin)
			}
		}
	}
}

// rotatePairs turns the pairs (2i, 2i+1) by angle i.
func rotatePairs(head, cos, sin []float32) {
	for i := range cos {
		a, b := head[2*i], head[2*i+1]
		head[2*i] = a*cos[i] - b*sin[i]
		head[2*i+1] = b*cos[i] + a*sin[i]
	}
}

// rotateHalves turns the pairs (i, i+half) by angle i.
func rotateHalves(head, cos, sin []float32) {
	first, second := head[:len(cos)], head[len(cos):2*len(cos)]
	sin = sin[:len(cos)]
	for i, c := range cos {
		a, b := first[i], second[i]
		first[i] = a*c - b*sin[i]
		second[i] = b*c + a*sin[i]
	}
}
