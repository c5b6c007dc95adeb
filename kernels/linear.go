package kernels

// Linear computes dst = x·wᵀ + bias, or dst += with add. dst must not overlap x.
func (c *CPU) Linear(dst, x Buffer, w *Weight, bias Buffer, add bool) {
	t := c.takeTask()
	t.include(linearPart(x, Product{Dst: dst, W: w, Bias: bias}, add))
	t.run(x)
}

// Linears computes products[i].Dst = x·Wᵀ + Bias for all i in one parallel loop, with the
// bits that Linear gives them one by one.
func (c *CPU) Linears(x Buffer, products []Product) {
	for len(products) > 0 {
		t, first := c.takeTask(), products[0].W
		for len(products) > 0 && products[0].W.DType == first.DType && products[0].W.pairs == first.pairs && t.count < maxProducts {
			t.include(linearPart(x, products[0], false))
			products = products[1:]
		}
		t.run(x)
	}
}

// linearPart checks the shapes of a product.
func linearPart(x Buffer, p Product, add bool) productPart {
	mustMatch(p.Dst.Rows == x.Rows && p.Dst.Width == p.W.Out && x.Width == p.W.In, "linear", p.Dst.Rows, p.Dst.Width, x.Rows, x.Width, p.W.Out, p.W.In)
	mustMatch(p.Bias.IsZero() || p.Bias.Width == p.W.Out && p.Bias.Rows == 1, "linear bias", p.Bias.Rows, p.Bias.Width, p.W.Out)
	return productPart{w: p.W, pairs: p.W.pairs, outputs: p.W.Out, store: operands{dst: p.Dst, a: p.Bias}, add: add}
}

// storeTile writes a tile to the result of Linear.
func (job *productPart) storeTile(c *CPU, part *tile) {
	if part.stride == 1 && c.path != pathGeneric {
		job.storeRow(part)
		return
	}
	done := 0
	if c.path != pathGeneric {
		done = storeBlocks(job.store.dst, part, job.store.a, job.add, 0)
	}
	storeGo(job.store.dst, part, job.store.a, job.add, 0, done, part.count)
	storeGo(job.store.dst, part, job.store.a, job.add, part.rows/8*8, 0, done)
}

// storeRow is storeGo for the one row of decoding, whose outputs lie side by side.
func (job *productPart) storeRow(part *tile) {
	values := part.values[:part.count]
	y := job.store.dst.row(0)[part.first : part.first+part.count]
	if bias := job.store.a; !bias.IsZero() {
		addRow(values, values, bias.host[part.first:part.first+part.count])
	}
	if job.add {
		addRow(y, values, y)
		return
	}
	copy(y, values)
}

// storeGo writes the rows from row on of the tile's outputs [lo, hi) to dst:
//
//	dst[r][first+i] = t[i][r] + bias[first+i], plus what lies there with add
func storeGo(dst Buffer, t *tile, bias Buffer, add bool, row, lo, hi int) {
	for r := row; r < t.rows && lo < hi; r++ {
		y := dst.row(r)[t.first+lo : t.first+hi]
		for i := range y {
			v := t.values[(lo+i)*t.stride+r]
			if !bias.IsZero() {
				v += bias.host[t.first+lo+i]
			}
			if add {
				v += y[i]
			}
			y[i] = v
		}
	}
}
