package browser

import (
	"bytes"
	"cmp"
	"image"
	"image/color"
	"image/png"
	"maps"
	"os"
	"slices"

	"github.com/chromedp/chromedp"
)

// readme takes the picture for the README: light, 1000 pixels wide, and no
// larger than a page that has it can bear.
func (b *tab) readme() {
	b.t.Helper()
	const largest = 150 << 10
	picture, err := indexed(ask(b, "a picture for the README", chromedp.FullScreenshot(100)))
	if err == nil {
		err = os.WriteFile("../out/owner-readme.png", picture, 0o600)
	}
	if err != nil || len(picture) >= largest {
		b.t.Errorf("the picture for the README has %d bytes: %v", len(picture), err)
	}
}

// indexed writes a picture with the 256 colours that it has most of: pages have
// few, and many shades of them at the edges of letters.
func indexed(picture []byte) ([]byte, error) {
	full, err := png.Decode(bytes.NewReader(picture))
	if err != nil {
		return nil, err
	}
	bounds, count := full.Bounds(), map[color.RGBA]int{}
	at := func(x, y int) color.RGBA { return color.RGBAModel.Convert(full.At(x, y)).(color.RGBA) }
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			count[at(x, y)]++
		}
	}
	byCount := slices.SortedFunc(maps.Keys(count), func(a, b color.RGBA) int { return cmp.Compare(count[b], count[a]) })
	palette := make(color.Palette, 0, 256)
	for _, c := range byCount[:min(len(byCount), 256)] {
		palette = append(palette, c)
	}
	nearest := make(map[color.RGBA]uint8, len(count))
	for c := range count {
		nearest[c] = uint8(palette.Index(c))
	}
	small := image.NewPaletted(bounds, palette)
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			small.SetColorIndex(x, y, nearest[at(x, y)])
		}
	}
	var out bytes.Buffer
	err = (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&out, small)
	return out.Bytes(), err
}
