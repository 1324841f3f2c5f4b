package recovery

import "sync"

const (
	// widthR is the width of digits that multiply R, of which a table is made
	// each time.
	widthR = 5
	// widthG is the width of digits that multiply G, of which a table is made
	// once. One more doubles the table, and gains nothing measurable.
	widthG = 12
)

// Tables hold odd multiples: the point i holds 2i+1 times the base.
type (
	tableR [1 << (widthR - 2)]affine
	tableG [1 << (widthG - 2)]affine
)

// oddMultiples fills a table with the odd multiples of base, not of the curve
// itself, but of the isomorphic one that they lead to by the factor z, which it
// returns: there, all of them have the denominator 1, with no inversion. ratios
// is scratch of the table's length.
//
// On the curve that the denominator of twice the base leads to, that has the
// denominator 1 itself, so each next multiple is one mixed addition. It multiplies the
// denominator by h; going back from the last, each is brought to the last one's
// by the product of all h since. No multiple below n meets another one or its
// opposite, so no addition is special.
func oddMultiples(table []affine, ratios []element, base *affine) (z element) {
	twice := point{base.x, base.y, one}
	twice.double()
	step := affine{twice.x, twice.y}
	table[0] = base.scaled(twice.z)
	p := point{table[0].x, table[0].y, one}
	for i := 1; i < len(table); i++ {
		h, r := p.chord(&step, p.z)
		p.addChord(h, r)
		table[i] = affine{p.x, p.y}
		ratios[i] = h
	}
	ratio := one
	for i := len(table) - 1; i > 0; i-- {
		ratio = mul(ratio, ratios[i])
		table[i-1] = table[i-1].scaled(ratio)
	}
	return mul(twice.z, p.z)
}

// multiple puts digit times the table's base into q; the digit is odd.
func multiple(q *affine, table []affine, digit int16) {
	if digit > 0 {
		*q = table[digit>>1]
		return
	}
	*q = table[-digit>>1]
	q.y = sub(element{}, q.y)
}

// generatorTables hold the odd multiples of G and of 2^128*G: 128 KiB.
var generatorTables struct {
	once      sync.Once
	low, high tableG
}

// generatorMultiples makes the tables at their first use, in about a
// millisecond.
func generatorMultiples() (low, high *tableG) {
	t := &generatorTables
	t.once.Do(func() { fillTables(&t.low, &t.high) })
	return &t.low, &t.high
}

func fillTables(low, high *tableG) {
	low.fill(&generator)
	p := point{generator.x, generator.y, one}
	for range 128 {
		p.double()
	}
	base := p.affine()
	high.fill(&base)
}

// fill fills the table with odd multiples, of the curve itself.
func (t *tableG) fill(base *affine) {
	var ratios [len(t)]element
	z := oddMultiples(t[:], ratios[:], base)
	back := z.inverse()
	for i := range t {
		t[i] = t[i].scaled(back)
	}
}
