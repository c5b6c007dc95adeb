package model

// rowOrder lists stored rows in the order in which they are to lie.
type rowOrder []int

// take appends count rows from start on.
func (o *rowOrder) take(start, count int) {
	for row := start; row < start+count; row++ {
		*o = append(*o, row)
	}
}

// fusedOrder tells which stored row of a fused projection is row i of q | k | v; nil when
// the file holds them in that order.
func (a *attention) fusedOrder() []int {
	if !a.grouped {
		return nil
	}
	queries := a.heads / a.kvHeads
	group := (queries + 2) * a.headDim
	var order rowOrder
	for g := range a.kvHeads {
		order.take(g*group, queries*a.headDim)
	}
	for part := range 2 { // keys, then values
		for g := range a.kvHeads {
			order.take(g*group+(queries+part)*a.headDim, a.headDim)
		}
	}
	return order
}

// gateOrder tells which stored row of queryGate, per head [query, gate], is row i of
// queries | gates.
func (a *attention) gateOrder() []int {
	var order rowOrder
	for part := range 2 {
		for head := range a.heads {
			order.take((2*head+part)*a.headDim, a.headDim)
		}
	}
	return order
}

// fusedRows tells where the rows of mixed and gate lie in a fused projection that holds,
// per key head, [query, key, values.., gates..].
func (a *recurrent) fusedRows() (mixed, gate []int) {
	values := a.valueHeads / a.keyHeads * a.valueDim
	group := 2*a.keyDim + 2*values
	var mixedOrder, gateOrder rowOrder
	for part := range 2 {
		for g := range a.keyHeads {
			mixedOrder.take(g*group+part*a.keyDim, a.keyDim)
		}
	}
	for g := range a.keyHeads {
		mixedOrder.take(g*group+2*a.keyDim, values)
		gateOrder.take(g*group+2*a.keyDim+values, values)
	}
	return mixedOrder, gateOrder
}

// fusedRateRows is fusedRows for beta and decay, per key head [betas.., decays..].
func (a *recurrent) fusedRateRows() (beta, decay []int) {
	heads := a.valueHeads / a.keyHeads
	var betaOrder, decayOrder rowOrder
	for g := range a.keyHeads {
		betaOrder.take(2*g*heads, heads)
		decayOrder.take((2*g+1)*heads, heads)
	}
	return betaOrder, decayOrder
}

// recurrent loads what eachLinear leaves out of a linear attention.
func (b *binder) recurrent(a *recurrent) {
	a.conv = b.numbers(b.prefix+a.names.conv, []int{a.channels(), 1, a.kernel})
	a.logRate = b.numbers(b.prefix+a.names.logRate, []int{a.valueHeads})
	a.timeBias = b.numbers(b.prefix+a.names.timeBias, []int{a.valueHeads})
	if a.fusedGate == "" {
		return
	}
	b.split(b.prefix+a.fusedGate, a.mixed, a.gate, a.fusedRows)
	b.split(b.prefix+a.fusedRates, a.beta, a.decay, a.fusedRateRows)
}

// split loads two matrices out of one tensor.
func (b *binder) split(name string, first, second *linear, rows func() ([]int, []int)) {
	tensor, ok := b.Take(name+".weight", first.out+second.out, first.in)
	if !ok {
		return
	}
	firstRows, secondRows := rows()
	for _, part := range []struct {
		l    *linear
		rows []int
	}{{first, firstRows}, {second, secondRows}} {
		if err := b.place(part.l, tensor, part.rows); err != nil {
			b.Refuse(err)
		}
	}
}
