package recovery

// affine is a point (x, y) of the curve y^2 = x^3 + 7, or of one isomorphic to
// it. It is never the point at infinity.
type affine struct{ x, y element }

// point is a point in Jacobian coordinates: (x/z^2, y/z^3), or the point at
// infinity if z is 0.
type point struct{ x, y, z element }

// generator is G.
var generator = affine{
	element{0x59f2815b16f81798, 0x029bfcdb2dce28d9, 0x55a06295ce870b07, 0x79be667ef9dcbbac},
	element{0x9c47d08ffb10d4b8, 0xfd17b448a6855419, 0x5da4fbfc0e1108a8, 0x483ada7726a3c465},
}

// one is the element 1.
var one = element{a: 1}

// double adds p to itself. From the tangent's slope 3x^2 / 2y (Guide to Elliptic
// Curve Cryptography, section 3.1.2), with
//
//	m = 3*x^2 / 2
//	s = x * y^2
//
// the double is
//
//	x' = m^2 - 2*s
//	y' = m*(s - x') - y^4
//	z' = y*z
//
// These are the formulas dbl-2009-l of the explicit-formulas database
// (hyperelliptic.org/EFD, short Weierstrass curves with a = 0) with z' halved, x'
// and y' divided by 4 and 8: the same point, with fewer additions. Infinity stays
// infinity. Nothing else becomes it: y is never 0, because the group's order is odd.
func (p *point) double() {
	xx := square(p.x)
	yy := square(p.y)
	m := half(add(add(xx, xx), xx))
	s := mul(p.x, yy)
	p.z = mul(p.y, p.z)
	p.x = sub(square(m), add(s, s))
	p.y = sub(mul(m, sub(s, p.x)), square(yy))
}

// add adds q to p. The z coordinate of p on the curve that q is of is zq: this is
// p.z, or a multiple of it if q is of another, isomorphic curve.
func (p *point) add(q *affine, zq element) {
	h, r := p.chord(q, zq)
	if h.isZero() && r.isZero() {
		p.double()
		return
	}
	p.addChord(h, r)
}

// chord compares p with q: h is the difference of the x coordinates and r that of
// the y coordinates, both in the scale of p. The chord's slope is r / (h*z). If h
// is 0, they are the same point or, if r is not 0, opposite ones.
func (p *point) chord(q *affine, zq element) (h, r element) {
	zz := square(zq)
	h = sub(mul(q.x, zz), p.x)
	r = sub(mul(q.y, mul(zq, zz)), p.y)
	return h, r
}

// addChord adds the point of which chord told that it is another one: algorithm
// 3.22 of the Guide, madd in the explicit-formulas database. If h is 0, so is z':
// the sum of opposite points is infinity.
//
//	x' = r^2 - h^3 - 2*x*h^2
//	y' = r*(x*h^2 - x') - y*h^3
//	z' = z*h
func (p *point) addChord(h, r element) {
	hh := square(h)
	hhh := mul(h, hh)
	v := mul(p.x, hh)
	p.z = mul(p.z, h)
	p.x = sub(sub(square(r), hhh), add(v, v))
	p.y = sub(mul(r, sub(v, p.x)), mul(p.y, hhh))
}

// scaled is q on the isomorphic curve that a factor z leads to:
// (x, y) -> (z^2*x, z^3*y) is on y^2 = x^3 + 7*z^6 (Guide, section 3.1.5). No
// formula here has the 7, so all serve for that curve too.
func (q *affine) scaled(z element) affine {
	zz := square(z)
	return affine{mul(q.x, zz), mul(q.y, mul(zz, z))}
}

// affine is p, which must not be infinity, with z brought to 1.
func (p *point) affine() affine {
	q := affine{p.x, p.y}
	return q.scaled(p.z.inverse())
}

// inverse is 1/x; x must not be 0.
func (x element) inverse() element {
	y := invert([4]uint64{x.a, x.b, x.c, x.d}, &primeModulus)
	return element{y[0], y[1], y[2], y[3]}
}

// isInfinity tells whether p is the point at infinity.
func (p *point) isInfinity() bool { return p.z.isZero() }
