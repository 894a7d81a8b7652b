package signintest

// What local people sign in with. The hash costs little: no test depends on its
// being slow.
const (
	Password     = "staff-password-of-everybody"
	PasswordHash = "$argon2id$v=19$m=8,t=1,p=1$MDEyMzQ1Njc4OWFiY2RlZg$Zg6YNf1eeU4OnLTjEm/s6nfQA0HDOPo0aSB+SUyX2m8" //nolint:gosec // of a password that only tests have
	TOTP         = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"                                                              // the key of a second factor, for who has one
)
