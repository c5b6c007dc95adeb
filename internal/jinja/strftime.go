package jinja

import (
	"fmt"
	"strings"
	"time"
)

// strftime formats a time as C's strftime does in the C locale.
func strftime(t time.Time, format string) string {
	var out strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] != '%' || i+1 == len(format) {
			out.WriteByte(format[i])
			continue
		}
		i++
		unpadded := format[i] == '-' && i+1 < len(format)
		if unpadded {
			i++
		}
		text := timeField(t, format[i])
		if unpadded {
			if text = strings.TrimLeft(text, "0 "); text == "" {
				text = "0"
			}
		}
		out.WriteString(text)
	}
	return out.String()
}

// timeLayouts are the fields that Go's time package formats alike.
var timeLayouts = map[byte]string{
	'a': "Mon", 'A': "Monday", 'b': "Jan", 'h': "Jan", 'B': "January", 'c': "Mon Jan _2 15:04:05 2006",
	'd': "02", 'D': "01/02/06", 'e': "_2", 'f': "000000", 'F': "2006-01-02", 'H': "15", 'I': "03", 'j': "002", 'm': "01",
	'M': "04", 'p': "PM", 'R': "15:04", 'S': "05", 'T': "15:04:05", 'x': "01/02/06", 'X': "15:04:05", 'y': "06", 'Y': "2006",
}

func timeField(t time.Time, field byte) string {
	if layout, ok := timeLayouts[field]; ok {
		if field == 'f' {
			return fmt.Sprintf("%06d", t.Nanosecond()/1000)
		}
		return t.Format(layout)
	}
	weekday := int(t.Weekday())
	switch field {
	case 'n':
		return "\n"
	case 't':
		return "\t"
	case '%':
		return "%"
	case 'C':
		return fmt.Sprintf("%02d", t.Year()/100)
	case 's':
		return fmt.Sprint(t.Unix())
	case 'u':
		return fmt.Sprint((weekday+6)%7 + 1)
	case 'w':
		return fmt.Sprint(weekday)
	case 'U':
		return fmt.Sprintf("%02d", (t.YearDay()+6-weekday)/7)
	case 'W':
		return fmt.Sprintf("%02d", (t.YearDay()+6-(weekday+6)%7)/7)
	case 'G', 'V':
		year, week := t.ISOWeek()
		if field == 'G' {
			return fmt.Sprintf("%04d", year)
		}
		return fmt.Sprintf("%02d", week)
	case 'z', 'Z': // Python's now() knows no zone
		return ""
	}
	return "%" + string(field)
}
