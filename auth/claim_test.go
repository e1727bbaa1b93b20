package auth

import "testing"

func TestClaimPath(t *testing.T) {
	const claims = `{"role":"plain","realm":{"roles":["first","second"],"n":7},"https://a.example/role":"far",
		"none":null,"":"empty"}`
	for path, want := range map[string]string{
		"role": "plain", ".role": "plain", "$.role": "plain", "realm.roles[1]": "second", "$.realm.roles[0]": "first",
		`."https://a.example/role"`: "far", "realm.n": "7", "realm.roles[2]": "", "realm.roles.x": "", "role[0]": "",
		"none": "", "absent": "", "absent.deep[3]": "", `$["realm"]['roles'][0]`: "first", `$["https://a.example/role"]`: "far", `["role"]`: "plain", `$.realm.roles[?(@ == "second")]`: "second", `realm.roles[?@ != 'first']`: "second",
		`$.realm.roles[?search(@, "^sec")]`: "second", `realm.roles[?match(@, "sec")]`: "", `realm[?(@ == "x")]`: "",
		`realm.roles[?(@ > 3)]`: "!", `realm.roles[?search(@, "(")]`: "!", `realm["x"]`: "", `realm["x`: "!", "": "!", "$": "!", "a..b": "!", "a b": "!",
		"role[": "!", "role[-1]": "!", `."unended`: "!", "a[0]b": "!",
	} {
		p, err := ParseClaimPath(path)
		switch {
		case (err != nil) != (want == "!"):
			t.Errorf("%s: error %v", path, err)
		case err == nil && p.find([]byte(claims)) != want:
			t.Errorf("%s: found %q, want %q", path, p.find([]byte(claims)), want)
		}
	}
}

func FuzzClaimPath(f *testing.F) {
	f.Add("$.realm.roles[0]", `{"realm":{"roles":["x"]}}`)
	f.Add(`."a b"[1]`, `{"a b":[1,{"c":2}]}`)
	f.Fuzz(func(_ *testing.T, path, claims string) {
		if p, err := ParseClaimPath(path); err == nil {
			_ = p.find([]byte(claims))
		}
	})
}
