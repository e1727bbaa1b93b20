package acceptance

import "testing"

// found is a request for the ids of the rows that a filter lets through.
func found(name, query, want string) exchange {
	return exchange{name: name, who: "ana", path: "books?select=id&order=id&" + query, status: 200, want: ids(want)}
}

// ids writes "1 2" as the rows that have nothing but these ids.
func ids(list string) string {
	out := "["
	for i, c := range list {
		switch {
		case c == ' ':
			continue
		case i > 0:
			out += ","
		}
		out += `{"id":` + string(c) + `}`
	}
	return out + "]"
}

func refused(name, query string, status int, want string) exchange {
	return exchange{name: name, who: "ana", path: query, status: status, want: want}
}

func TestFilterOperators(t *testing.T) {
	event := func(name, query, want string) exchange {
		x := found(name, query, want)
		x.path = "events?select=id&order=id&" + query
		return x
	}
	run(t, []exchange{
		found("eq", "title=eq.Salt Harbour", "1"),
		found("eq of a value with reserved characters", "title=eq.Tide, Tables (2nd)", "4"),
		found("eq of an enum", "state=eq.worn", "1"),
		found("neq", "pages=neq.90", "1 2 3"),
		found("gt", "pages=gt.254", "1"),
		found("gte", "pages=gte.254", "1 3"),
		found("lt", "published=lt.2001-05-04", "4"),
		found("lte", "published=lte.2001-05-04", "1 4"),
		found("like", "title=like.*ar*", "1"),
		found("like with percent", "title=like.%25ar%25", "1"),
		found("like is exact in case", "title=like.salt*", ""),
		found("ilike", "title=ilike.*T*", "1 2 3 4"),
		found("match", "title=match.^[SN]", "1 3"),
		found("imatch", "title=imatch.^tide", "4"),
		found("in", "id=in.(1,3,9)", "1 3"),
		found("in, quoted", `title=in.("Tide, Tables (2nd)","Northern Kites")`, "3 4"),
		found("in nothing", "id=in.()", ""),
		found("is null", "price=is.null", "3"),
		found("is NULL in capitals", "price=is.NULL", "3"),
		found("is not_null", "price=is.not_null", "1 2 4"),
		found("isdistinct", "price=isdistinct.8", "1 3 4"),
		found("contains, array", "tags=cs.{sea}", "1 4"),
		found("contained, array", "tags=cd.{sea,finance}", "2 3 4"),
		found("overlap, array", "tags=ov.{history,finance}", "1 2"),
		found("contains, JSON", `info=cs.{"format":{"cover":"soft"}}`, "2"),
		found("not", "title=not.like.T*", "1 3"),
		found("not in", "id=not.in.(1,2)", "3 4"),
		found("not is", "price=not.is.null", "1 2 4"),
		found("any", "id=eq(any).{1,4}", "1 4"),
		found("any of patterns", "title=like(any).{S*,N*}", "1 3"),
		found("all of patterns", "title=ilike(all).{*t*,*a*}", "1 4"),
		found("any of comparisons", "pages=gt(any).{100,300}", "1 2 3"),
		found("all of comparisons", "pages=gt(all).{100,300}", "1"),
		found("any, negated", "id=not.eq(any).{1,2}", "3 4"),
		found("several filters are one and", "pages=gt.90&pages=lt.300", "2 3"),
		{name: "is true", who: "ana", path: "loans?select=id&returned=is.true", status: 200, want: ids("1")},
		{name: "is unknown", who: "ana", path: "loans?select=id&returned=is.unknown", status: 200, want: ids("3")},
		{name: "is false", who: "ben", path: "loans?select=id&returned=is.FALSE", status: 200, want: ids("2")},
		event("range overlaps", "days=ov.[2024-03-03,2024-03-05)", "1 2"),
		event("range contains", "days=cs.[2024-03-05,2024-03-06)", "2"),
		event("range contains another", "seats=cs.[15,16)", "1 2"),
		event("range contained", "days=cd.[2024-03-01,2024-03-05)", "1"),
		event("strictly left", "seats=sl.[30,50)", "1"),
		event("strictly right", "days=sr.[2024-02-01,2024-03-02)", "2"),
		event("not extending right", "seats=nxr.[5,25)", "1"),
		event("not extending left", "seats=nxl.[5,25)", "2"),
		event("adjacent", "days=adj.[2024-03-08,2024-03-09)", "2"),
		event("time with an offset", "at=eq.2024-03-01T19:00:00%2B01:00", "1"),
	})
}

func TestFullText(t *testing.T) {
	run(t, []exchange{
		found("fts", "blurb=fts(english).ships %26 lighthouse", "1"),
		found("fts without a language", "blurb=fts.ships", "1 4"),
		found("plfts", "blurb=plfts(english).harbour ship", "4"),
		found("phfts", "blurb=phfts(english).low water", "4"),
		found("wfts", "blurb=wfts(english).ships -harbour", "1"),
		found("negated", "blurb=not.fts(english).ship", "2"),
		found("in or", "or=(blurb.phfts(english).low water,id.eq.3)", "3 4"),
		found("on JSON", "info=fts.kestrel", "1"),
		refused("unknown language", "books?blurb=fts(klingon).x", 400, `…"42704"`),
		refused("no language", "books?blurb=fts().x", 400, `…"PGRST100"`),
		refused("broken query", "books?blurb=fts.lighthouse keeper", 400, `…"42601"`),
	})
}

func TestLogic(t *testing.T) {
	run(t, []exchange{
		found("or", "or=(id.eq.1,pages.lt.100)", "1 4"),
		found("and", "and=(pages.gt.100,pages.lt.300)", "2 3"),
		found("not or", "not.or=(id.eq.1,id.eq.2)", "3 4"),
		found("not and", "not.and=(id.gt.1,id.lt.4)", "1 4"),
		found("nested", "or=(id.eq.4,and(pages.gt.200,not.or(id.eq.1,price.not.is.null)))", "3 4"),
		found("quoted values", `or=(title.eq."Tide, Tables (2nd)",id.eq.3)`, "3 4"),
		found("in inside of or", `or=(id.in.(1,2),tags.cs.{sea,history})`, "1 2"),
		found("any inside of or", `or=(id.eq(any).{3,4},state.eq.worn)`, "1 3 4"),
		found("JSON paths inside of or", `or=(info->>grams.eq.95,info->format->>cover.eq.hard)`, "1 4"),
		found("blanks", "or=( id.eq.1 , id.eq.2 )", "1 2"),
		found("several are one and", "or=(id.eq.1,id.eq.2)&or=(id.eq.2,id.eq.3)", "2"),
		refused("unclosed", "books?or=(id.eq.1", 400, `…"PGRST100"`),
		refused("empty", "books?or=()", 400, `…"PGRST100"`),
		refused("no operator", "books?or=(id)", 400, `…"PGRST100"`),
	})
}

func TestFilterPathsAndNames(t *testing.T) {
	odd := func(name, query, want string) exchange {
		x := found(name, query, want)
		x.path = "Odd Table?select=id&order=id&" + query
		return x
	}
	run(t, []exchange{
		found("JSON path as text", "info->format->>cover=eq.soft", "2"),
		found("JSON path as JSON", "info->grams=gt.95", "1 2"),
		found("array element", "info->awards->>0=eq.Kestrel Prize", "1"),
		found("array element from the end", "info->awards->>-1=eq.Lantern", "1"),
		found("quoted key", `info->"odd key"->>"x.y"=eq.1`, "4"),
		found("no such key", "info->>nope=is.null", "1 2 3 4"),
		found("JSON path negated", "info->>grams=not.eq.95", "1 2"),
		found("computed column", "shelf_mark=eq.N", "3"),
		odd("upper case", "Upper=eq.U", "1"),
		odd("a blank", "with space=is.null", "2"),
		odd("a dot, in quotes", `"with.dot"=eq.d.2`, "2"),
		odd("a quote, escaped", `"with\"quote"=eq.q`, "1"),
		odd("unicode", "größe=gt.10", "2"),
		odd("a comma and parentheses in or", `or=("a,b".eq.1,"(c)".eq.4)`, "1 2"),
		odd("a reserved word, in quotes", `or=("select".eq.x)`, "1"),
		refused("no operator", "books?id=5", 400, `…"PGRST100"`),
		refused("unknown operator", "books?id=near.5", 400, `…"PGRST100"`),
		refused("modifier that the operator has not", "books?id=neq(any).{1}", 400, `…"PGRST100"`),
		refused("is something else", "books?id=is.5", 400, `…"PGRST100"`),
		refused("value of another type", "books?id=eq.five", 400, `…"22P02"`),
		refused("operator that the type has not", "books?pages=like.1*", 404, `…"42883"`),
		refused("unknown column", "books?titel=eq.x", 400, `…"42703"`),
		refused("not an enum's value", "books?state=eq.torn", 400, `…"22P02"`),
		refused("resource that is not embedded", "books?select=id&authors.name=eq.x", 400, `…"PGRST108"`),
		refused("injection stays a value", "books?select=id&title=eq.' or 1=1 --", 200, "[]"),
	})
}
