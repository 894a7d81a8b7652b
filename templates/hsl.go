package templates

import "math"

// hsl gives hue in degrees, 0 to 360, saturation and lightness, 0 to 1.
func (c colour) hsl() (hue, saturation, lightness float64) {
	r, g, b := float64(c.r)/255, float64(c.g)/255, float64(c.b)/255
	top, low := max(r, g, b), min(r, g, b)
	lightness = (top + low) / 2
	span := top - low
	if span == 0 {
		return 0, 0, lightness
	}
	saturation = span / (1 - math.Abs(2*lightness-1))
	switch top {
	case r:
		hue = math.Mod((g-b)/span+6, 6)
	case g:
		hue = (b-r)/span + 2
	default:
		hue = (r-g)/span + 4
	}
	return hue * 60, saturation, lightness
}

// fromHSL is the way back, rounded to eight bits per channel.
func fromHSL(hue, saturation, lightness float64) colour {
	reach := saturation * min(lightness, 1-lightness)
	channel := func(offset float64) uint8 {
		k := math.Mod(offset+hue/30, 12)
		v := lightness - reach*max(-1, min(k-3, 9-k, 1))
		return uint8(math.Round(v * 255))
	}
	return colour{channel(0), channel(8), channel(4)}
}
