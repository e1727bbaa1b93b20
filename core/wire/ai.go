package wire

// Paths of the AI helpers, section 8. All take the service key.
const (
	AITranslate   = "/ai/v1/translate"
	AIModerate    = "/ai/v1/moderate"
	AIUsage       = "/ai/v1/usage"
	GenerateImage = "/generate-image/v1"
)

// Limits of the AI helpers, in characters. That of moderation is ours [R].
const (
	MaxTranslateText    = 10000
	MaxTranslateContext = 200
	MaxModerateText     = 10000
	MaxImagePrompt      = 1000 // trimmed
)

// Aspects of a generated image: 1:1, which is the default, 16:9 and 9:16.
const (
	AspectSquare    = "square"
	AspectLandscape = "landscape"
	AspectPortrait  = "portrait"
)

// Aspects lists them.
func Aspects() []string { return []string{AspectSquare, AspectLandscape, AspectPortrait} }

// Translate asks for a translation. Languages are ISO 639-1; an empty From is to be detected. Context says what the
// text is about or for.
type Translate struct {
	Text    string `json:"text"`
	To      string `json:"to"`
	From    string `json:"from,omitempty"`
	Context string `json:"context,omitempty"`
}

// AIAnswer is what our gateway says besides about every answer [R]: who made it, and what that is not.
type AIAnswer struct {
	Provider string `json:"provider,omitempty"` // such as "apertium"
	Notice   string `json:"notice,omitempty"`
}

// Translation answers it.
type Translation struct {
	Text string `json:"text"`
	From string `json:"from"` // as given, or detected
	To   string `json:"to"`
	AIAnswer
}

// Moderate asks whether a text is harmful.
type Moderate struct {
	Text string `json:"text"`
}

// Moderation answers it. Which categories there are is the provider's; scores are from 0 to 1.
type Moderation struct {
	Flagged        bool               `json:"flagged"`
	Categories     map[string]bool    `json:"categories"`
	CategoryScores map[string]float64 `json:"category_scores"`
	AIAnswer
}

// ImageRequest asks for an image.
type ImageRequest struct {
	Prompt string `json:"prompt"`
	Aspect string `json:"aspect,omitempty"`
}

// Image answers it. The bytes are base64 in JSON.
type Image struct {
	Image       []byte `json:"image"`
	ContentType string `json:"content_type"`
	Aspect      string `json:"aspect"`
	AIAnswer
}

// AIUsageReport answers GET AIUsage. All but Translation is ours [R].
type AIUsageReport struct {
	Translation TranslationUsage  `json:"translation"`
	Images      ImageUsage        `json:"images"`
	Moderations int64             `json:"moderations"`
	Providers   map[string]string `json:"providers"` // of translate, moderate and generate_image; "" is not configured
}

// TranslationUsage counts words of the month. What is included and remains is null where there is no cap.
type TranslationUsage struct {
	Active            bool   `json:"active"` // there is a provider
	UsedWords         int64  `json:"used_words"`
	IncludedWords     *int64 `json:"included_words"`
	RemainingWords    *int64 `json:"remaining_words"`
	BillingCycleStart string `json:"billing_cycle_start"` // ISO-8601
}

// ImageUsage counts images of the month, likewise.
type ImageUsage struct {
	Active    bool   `json:"active"`
	Used      int64  `json:"used"`
	Included  *int64 `json:"included"`
	Remaining *int64 `json:"remaining"`
}
