package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// honoured are the variables that this version reads. With the other lists here it holds every RUN402_* name that is
// known.
func honoured() []string {
	return strings.Fields(`RUN402_API_BASE RUN402_PROJECT_ID RUN402_ANON_KEY RUN402_SERVICE_KEY RUN402_JWT_SECRET
		RUN402_USER_TOKEN RUN402_USER_TOKEN_FILE RUN402_DATA_DIR RUN402_LOCAL_PROJECT RUN402_PG_BIN RUN402_TOOLSETS
		RUN402_READ_ONLY RUN402_JWKS RUN402_GATES RUN402_CONFIRM RUN402_PUBLIC_URL RUN402_ALLOWED_ORIGINS RUN402_REQUIRE_AUTH
		RUN402_AUTH_SERVER RUN402_LOG RUN402_LOG_FORMAT RUN402_DATABASE_URL RUN402_ADMIN_DATABASE_URL
		RUN402_GATEWAY_DATABASE_URL RUN402_DB_SCHEMAS RUN402_DB_EXTRA_SEARCH_PATH RUN402_DB_ANON_ROLE RUN402_DB_ROLES
		RUN402_DB_ROLE_CLAIM RUN402_DB_PRE_REQUEST RUN402_DB_MAX_ROWS RUN402_DB_AGGREGATES RUN402_DB_TRUST_LOGIN
		RUN402_JWT_SECRET_BASE64 RUN402_JWT_AUD RUN402_ASSET_ROOT RUN402_ASSETS_URL RUN402_ASSETS_QUOTA_MB RUN402_EMAIL_ALLOW
		RUN402_EMAIL_FROM_DOMAIN RUN402_SMTP_URL RUN402_AI_BASE_URL RUN402_AI_API_KEY RUN402_AI_TRANSLATE_MODEL
		RUN402_AI_MODERATE_MODEL RUN402_AI_IMAGE_MODEL RUN402_AI_MODERATE RUN402_AI_IMAGE RUN402_AI_WORDS_PER_MONTH
		RUN402_AI_IMAGES_PER_MONTH`)
}

// platform are the variables that functions get besides; they mean nothing to us. Contract section 1.1.
func platform() []string {
	return strings.Fields(`RUN402_RELEASE_ID RUN402_FUNCTION_NAME RUN402_REQUEST_ID`)
}

// harmless are variables of later versions whose absence gives nothing away: they only warn.
func harmless() []string {
	return strings.Fields(`RUN402_OPEN_GRANTS`)
}

// ceilings are variables of later versions that an operator sets to forbid or to require something:
// going on without them would do what was not asked for.
func ceilings() []string {
	return nil
}

// Unsupported refuses to start when a variable is set that this version cannot honour and must not ignore. Every
// command that serves calls it; Config.Settings does.
func Unsupported(lookup Lookup) error {
	var errs []error
	for _, name := range ceilings() {
		if lookup.get(name) != "" {
			errs = append(errs, fmt.Errorf("%s is set, but this version does not support it yet "+
				"and will not go on as if it did: unset it", name))
		}
	}
	return errors.Join(errs...)
}

// Warnings names the RUN402_* variables of the environment ("NAME=value") that have no effect: those of later versions,
// and unknown ones, with the name that may have been meant. Values are never shown.
func Warnings(environ []string) []string {
	var warnings []string
	for _, pair := range environ {
		name, value, _ := strings.Cut(pair, "=")
		if value == "" || !strings.HasPrefix(strings.ToUpper(name), "RUN402_") {
			continue
		}
		switch {
		case slices.Contains(honoured(), name), slices.Contains(platform(), name), slices.Contains(ceilings(), name):
		case slices.Contains(harmless(), name):
			warnings = append(warnings, name+" is not supported yet and has no effect")
		default:
			warning := name + " is not a variable of this program and has no effect"
			if near := nearest(name); near != "" {
				warning += ": did you mean " + near + "?"
			}
			warnings = append(warnings, warning)
		}
	}
	slices.Sort(warnings)
	return warnings
}

// nearest returns the known name that differs from name in at most three letters, and in fewer than any other does.
func nearest(name string) string {
	best, least := "", 4
	for _, known := range slices.Concat(honoured(), harmless(), ceilings()) {
		if d := distance(strings.ToUpper(name), known); d < least {
			best, least = known, d
		}
	}
	return best
}

// distance is how many letters to add, drop or change to get from a to b (Levenshtein). Twenty lines do not earn a
// dependency.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
