package rest

import "testing"

// An error over an embedded table's column names that table's columns, to who may see them.
func TestHintsOnEmbeddedTables(t *testing.T) {
	h := library(t, nil)
	run(t, refusals(h, 400,
		"shelves?select=id,books(titel)", `{"code":"42703","message":"column books_1.titel does not exist","details":"The columns are id, title, author, editor, shelf, pages, price, about, notes","hint":"Perhaps you meant the column 'title'"}`,
		"shelves?select=idd,books(title)", `…Perhaps you meant the column 'id'`,
		"shelves?select=id,books(id,authors!author(nam))", `…The columns are id, name, born, facts","hint":"Perhaps you meant the column 'name'"`,
		"books?select=id,shelves(room)&shelves.roam=eq.1", `…Perhaps you meant the column 'room'`))
	run(t, refusals(h, 403,
		"shelves?select=id,ledger(summ)", `{"code":"42501","message":"permission denied for table ledger","details":null,"hint":null}`,
		"shelves?select=idd,ledger(sum)", `{"code":"42501","message":"permission denied for table ledger","details":null,"hint":null}`,
		"shelves?select=id,ledger(id)&ledger.sum=eq.abc", `{"code":"42501","message":"permission denied for table ledger","details":null,"hint":null}`))
}
