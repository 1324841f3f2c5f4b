package recovery

// combine is u*G + v*R.
//
// It is one loop over doublings for all (interleaving: Guide to Elliptic Curve
// Cryptography, section 3.3.3, algorithm 3.51). v is split by the endomorphism, u
// at its 128th bit, so that 129 doublings are enough.
//
// The loop runs on the isomorphic curve on which the table of R is; a point of G
// is added to the sum as it is on the curve itself, where its z is multiplied by
// the factor between the two.
func combine(u, v scalar, r *affine) point {
	var multiplesR, multiplesLambdaR tableR
	var ratios [len(multiplesR)]element
	factor := oddMultiples(multiplesR[:], ratios[:], r)
	for i := range multiplesR {
		multiplesLambdaR[i] = affine{mul(multiplesR[i].x, beta), multiplesR[i].y}
	}
	multiplesLow, multiplesHigh := generatorMultiples()

	var v1, v2, u1, u2 digits
	v1Short, v2Short := v.split()
	v1Short.recode(&v1, widthR)
	v2Short.recode(&v2, widthR)
	signed{abs: short{u[0], u[1]}}.recode(&u1, widthG)
	signed{abs: short{u[2], u[3]}}.recode(&u2, widthG)

	var sum point
	for place := places - 1; place >= 0; place-- {
		sum.double()
		sum.addR(multiplesR[:], v1[place])
		sum.addR(multiplesLambdaR[:], v2[place])
		sum.addG(multiplesLow, u1[place], factor)
		sum.addG(multiplesHigh, u2[place], factor)
	}
	sum.z = mul(sum.z, factor)
	return sum
}

// addR adds digit times R, given the multiples of R.
func (p *point) addR(multiples []affine, digit int16) {
	if digit == 0 {
		return
	}
	var q affine
	multiple(&q, multiples, digit)
	if p.isInfinity() {
		*p = point{q.x, q.y, one}
		return
	}
	p.add(&q, p.z)
}

// addG adds digit times G, given the multiples of G, to a point of the curve that
// the factor leads to.
func (p *point) addG(multiples *tableG, digit int16, factor element) {
	if digit == 0 {
		return
	}
	var q affine
	multiple(&q, multiples[:], digit)
	if p.isInfinity() {
		q = q.scaled(factor)
		*p = point{q.x, q.y, one}
		return
	}
	p.add(&q, mul(p.z, factor))
}
