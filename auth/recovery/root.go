package recovery

// root is a square root of x, and whether x has one; the other is its negative.
//
// p leaves 3 when divided by 4, so if x is a square, x^((p+1)/4) is a root of it
// (Handbook of Applied Cryptography, algorithm 3.36). If x is none, the power is a
// root of -x, which squaring it shows.
func root(x element) (element, bool) {
	y := power(x)
	difference := sub(square(y), x)
	return y, difference.isZero()
}

// power is x^((p+1)/4). In binary the exponent is 223 ones, a zero, 22 ones,
// four zeros, two ones, two zeros. onesN is x to the exponent of N ones: two runs
// are joined by shifting one past the other, that is by squaring, and
// multiplying.
func power(x element) element {
	ones2 := mul(square(x), x)
	ones3 := mul(square(ones2), x)
	ones5 := mul(squares(ones3, 2), ones2)
	ones8 := mul(squares(ones5, 3), ones3)
	ones11 := mul(squares(ones8, 3), ones3)
	ones22 := mul(squares(ones11, 11), ones11)
	ones44 := mul(squares(ones22, 22), ones22)
	ones88 := mul(squares(ones44, 44), ones44)
	ones176 := mul(squares(ones88, 88), ones88)
	ones220 := mul(squares(ones176, 44), ones44)
	ones223 := mul(squares(ones220, 3), ones3)

	y := mul(squares(ones223, 1+22), ones22)
	y = mul(squares(y, 4+2), ones2)
	return squares(y, 2)
}
