# Syncline as one static binary in an image without a shell. docs/deployment.md
# tells how to run it. `make image` makes the same without a container engine, by
# deploy/image: a change here is one there.

FROM --platform=$BUILDPLATFORM golang:1.26.8-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG TARGETOS TARGETARCH VERSION=development
RUN CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH go build -pgo=auto -trimpath -buildvcs=false -ldflags="-s -w -X syncline/internal/commandline.version=$VERSION" -o /out/syncline .
RUN mkdir /out/db

# CA certificates, time zones and a user, nothing else.
FROM gcr.io/distroless/static-debian12:nonroot
ARG VERSION=development REVISION SOURCE
LABEL org.opencontainers.image.title=Syncline \
      org.opencontainers.image.description="A self-hosted GraphQL sync service" \
      org.opencontainers.image.licenses=MIT \
      org.opencontainers.image.version=$VERSION \
      org.opencontainers.image.revision=$REVISION \
      org.opencontainers.image.source=$SOURCE
COPY --from=build /out/syncline /syncline
# A new volume takes the owner of what it covers.
COPY --from=build --chown=65532:65532 /out/db /db
ENV SQLITE_DIR_PATH=/db
VOLUME /db
WORKDIR /
USER 65532:65532
EXPOSE 8080
HEALTHCHECK --interval=5s --timeout=4s --start-period=30s CMD ["/syncline", "healthcheck"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["/syncline"]
CMD ["serve"]
